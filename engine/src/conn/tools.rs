//! What the connections of one owner share for their work.

use super::receive::progress::Spare;
use crate::codec::{self, Codec};
use crate::proto::Opcode;

/// Fills a block with bytes that nobody can predict.
pub type Fill = fn(&mut [u8]);

/// Kinds of control frames: Close, Ping, Pong.
pub const TALLIED: usize = 3;

/// What connections have done that is counted where it happens. Whoever owns them takes it from
/// here.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Something was counted since this was last cleared.
    pub moved: bool,
    /// Control frames that came, in the order of their opcodes.
    pub controls_in: [u64; TALLIED],
    /// Control frames that were queued.
    pub controls_out: [u64; TALLIED],
    /// Requests that were answered with an error: not valid, too large, too late.
    pub refused: [u64; 3],
    /// Open connections whose end has begun.
    pub closing: u64,
    /// Round trips of our Pings, in microseconds.
    pub rtts: Vec<u64>,
}

impl Tally {
    pub(super) fn control_in(&mut self, opcode: Opcode) {
        Self::count(&mut self.controls_in, opcode);
        self.moved = true;
    }

    pub(super) fn control_out(&mut self, opcode: Opcode) {
        Self::count(&mut self.controls_out, opcode);
        self.moved = true;
    }

    fn count(of: &mut [u64; TALLIED], opcode: Opcode) {
        let at = usize::from((opcode as u8).wrapping_sub(Opcode::Close as u8));
        if let Some(count) = of.get_mut(at) {
            *count += 1;
        }
    }

    /// A request was answered with an error that the protocol has for it.
    pub(super) fn refused(&mut self, status: u16) {
        let [bad, large, late] = &mut self.refused;
        let which = match status {
            413 | 414 | 431 => large,
            408 => late,
            _ => bad,
        };
        *which += 1;
        self.moved = true;
    }

    /// A Ping of ours was answered after so long.
    pub(super) fn answered(&mut self, rtt_us: u64) {
        self.rtts.push(rtt_us);
        self.moved = true;
    }

    pub(super) fn closes(&mut self) {
        self.closing += 1;
        self.moved = true;
    }
}

/// Shared by all connections of one thread.
#[derive(Debug)]
pub struct Tools {
    /// Masking keys for the frames of clients.
    pub keys: Keys,
    /// Compressors and inflaters.
    pub codec: Codec,
    /// What the connections have done.
    pub tally: Tally,
    /// The time of this turn in microseconds, to measure by; 0 where nobody does.
    pub now_us: u64,
    /// What policies of full queues have done.
    pub policed: Policed,
    /// For messages that come in parts.
    pub(super) spare: Spare,
}

/// What the policies of full queues have done, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policed {
    /// Messages that were dropped instead of being queued.
    pub newest: u64,
    /// Messages that were queued and then dropped.
    pub oldest: u64,
    /// Connections closed.
    pub closed: u64,
    /// Connections ended without a closing handshake.
    pub aborted: u64,
}

impl Policed {
    /// Connections that have ended by a policy, either way.
    pub fn ended(self) -> u64 {
        self.closed + self.aborted
    }
}

impl Tools {
    /// With masking keys from `fill`.
    pub fn new(fill: Fill) -> Self {
        let codec = Codec::new(codec::MEMORY_MAX);
        let (tally, policed, spare) = (Tally::default(), Policed::default(), Spare::default());
        Self { keys: Keys::new(fill), codec, tally, now_us: 0, policed, spare }
    }

    /// With so many bytes for the compressors and inflaters of connections that have their own.
    #[must_use]
    pub fn with_codec_memory(self, max: usize) -> Self {
        Self { codec: Codec::new(max), ..self }
    }
}

/// Bytes that are asked for at a time: a system call for a thousand frames.
const BLOCK: usize = 4 << 10;

/// Masking keys that cannot be predicted (RFC 6455 §5.3, §10.3), each used once.
#[derive(Debug)]
pub struct Keys {
    fill: Fill,
    block: Vec<u8>,
}

impl Keys {
    fn new(fill: Fill) -> Self {
        Self { fill, block: Vec::new() }
    }

    /// The next one.
    #[inline]
    pub fn next_key(&mut self) -> [u8; 4] {
        if self.block.len() < 4 {
            self.block.resize(BLOCK, 0);
            (self.fill)(&mut self.block);
        }
        let (mut key, rest) = ([0; 4], self.block.len().saturating_sub(4));
        if let Some(taken) = self.block.get(rest..).and_then(<[u8]>::first_chunk::<4>) {
            key = *taken;
        }
        self.block.truncate(rest);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_used_once() {
        fn count(block: &mut [u8]) {
            use core::sync::atomic::{AtomicU32, Ordering};
            static NEXT: AtomicU32 = AtomicU32::new(0);
            for key in block.chunks_exact_mut(4) {
                key.copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
            }
        }
        let mut keys = Keys::new(count);
        let mut seen: Vec<_> = (0..3 * BLOCK).map(|_| keys.next_key()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 3 * BLOCK);
    }
}
