//! What has to come back on one connection, and whether it did. No I/O.

use crate::stream::{Mismatch, Streams};

/// Follows the expected stream of one connection.
#[derive(Debug)]
pub(crate) struct Check {
    /// Offset of the next expected byte in the period.
    expect: usize,
    /// Bytes of the current message that have come.
    partial: usize,
    /// Bytes that are to come for the messages sent.
    owed: usize,
    /// Messages that came back.
    done: u64,
}

impl Check {
    /// Begins with message `phase` of the period.
    pub(crate) fn new(phase: usize, streams: &Streams) -> Self {
        Self { expect: phase * streams.echo_size, partial: 0, owed: 0, done: 0 }
    }

    /// So many messages more are to come.
    pub(crate) fn owe(&mut self, messages: usize, streams: &Streams) {
        self.owed += messages * streams.echo_size;
    }

    /// Bytes that are still to come.
    pub(crate) fn owed(&self) -> usize {
        self.owed
    }

    /// Messages that came back in the whole life of the connection.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// Compares what came with what is owed. Returns how many messages it completed.
    pub(crate) fn received(&mut self, bytes: &[u8], streams: &Streams) -> Result<usize, Mismatch> {
        if bytes.len() > self.owed {
            let surplus = bytes.len() - self.owed;
            return Err(Mismatch::Surplus { message: self.done, bytes: surplus });
        }
        let period = streams.period * streams.echo_size;
        let (mut rest, mut count) = (bytes, 0);
        while !rest.is_empty() {
            // The stream begins anew at the end of the period.
            let (piece, next) = rest.split_at(rest.len().min(period - self.expect));
            let expected = streams.expected(self.expect, piece.len()).unwrap_or_default();
            if piece != expected {
                return Err(self.first_difference(piece, expected, streams));
            }
            self.expect += piece.len();
            if self.expect == period {
                self.expect = 0;
            }
            let total = self.partial + piece.len();
            let messages = total / streams.echo_size;
            self.partial = total % streams.echo_size;
            self.done += messages as u64;
            count += messages;
            rest = next;
        }
        self.owed -= bytes.len();
        Ok(count)
    }

    fn first_difference(&self, bytes: &[u8], expected: &[u8], streams: &Streams) -> Mismatch {
        let same = bytes.iter().zip(expected).take_while(|(found, right)| found == right).count();
        let at = self.partial + same;
        Mismatch::Byte {
            message: self.done + (at / streams.echo_size) as u64,
            offset: at % streams.echo_size,
            expected: expected.get(same).copied().unwrap_or_default(),
            found: bytes.get(same).copied().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Kind, Scenario};

    const DEPTH: usize = 5;

    fn setup(kind: Kind) -> (Streams, Check) {
        let streams = Streams::new(&Scenario::plain(8, 9, DEPTH, kind)).expect("prepared");
        let check = Check::new(streams.phase(7), &streams);
        (streams, check)
    }

    /// The echo of `len` bytes from offset `at` of the endless stream.
    fn echo(streams: &Streams, at: usize, len: usize) -> Vec<u8> {
        let period = streams.period * streams.echo_size;
        let byte = |at: usize| streams.expected(at % period, 1).expect("prepared")[0];
        (at..at + len).map(byte).collect()
    }

    /// The right answer to everything, through several periods, in pieces of every size, one of
    /// them longer than a period.
    #[test]
    fn every_split_of_the_right_echo_is_taken() {
        for piece in [1, 2, 3, 7, 11, 40, 1 << 17] {
            let (streams, mut check) = setup(Kind::Binary);
            let mut at = check.expect;
            let messages = 3 * streams.period;
            check.owe(messages, &streams);
            let mut came = 0;
            while check.owed() > 0 {
                let bytes = echo(&streams, at, piece.min(check.owed()));
                came += check.received(&bytes, &streams).expect("the right echo");
                at += bytes.len();
            }
            assert_eq!((check.done(), came), (messages as u64, messages));
        }
    }

    #[test]
    fn a_wrong_byte_is_named() {
        let (streams, mut check) = setup(Kind::Text);
        check.owe(3, &streams);
        let mut bytes = echo(&streams, check.expect, 3 * streams.echo_size);
        let at = 2 * streams.echo_size + 4;
        bytes[at] ^= 1;
        let right = bytes[at] ^ 1;
        assert_eq!(
            check.received(&bytes, &streams),
            Err(Mismatch::Byte { message: 2, offset: 4, expected: right, found: bytes[at] })
        );
    }

    #[test]
    fn more_than_was_asked_for_is_an_error() {
        let (streams, mut check) = setup(Kind::Raw);
        assert_eq!(check.received(&[0], &streams), Err(Mismatch::Surplus { message: 0, bytes: 1 }));
        check.owe(DEPTH, &streams);
        let bytes = echo(&streams, check.expect, DEPTH * streams.echo_size + 1);
        assert_eq!(
            check.received(&bytes, &streams),
            Err(Mismatch::Surplus { message: 0, bytes: 1 })
        );
    }
}
