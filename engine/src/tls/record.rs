//! Records as far as one must know them to find where they end (RFC 8446 §5.1), and one step of
//! rustls.

use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};

/// Type, version and length.
pub(super) const HEADER: usize = 5;

/// What a record of TLS 1.2 may have behind its header at most; TLS 1.3 allows less.
const BODY_MAX: usize = (16 << 10) + 2_048;

/// Plaintext that one record carries at most.
pub(super) const PLAIN_MAX: usize = 16 << 10;

/// What encryption adds to a record at most: header, explicit nonce or content type, tag.
pub(super) const OVERHEAD: usize = HEADER + 8 + 1 + 16;

/// Where the record that `bytes` begins with ends. `None` when that is not known yet. What cannot
/// be a record ends where the bytes do, so that it is refused at once.
pub(super) fn end_of_record(bytes: &[u8]) -> Option<usize> {
    let &[kind, _, _, high, low] = bytes.first_chunk::<HEADER>()?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    // change_cipher_spec, alert, handshake, application_data
    let plausible = (20..=23).contains(&kind) && len <= BODY_MAX;
    Some(if plausible { HEADER + len } else { bytes.len() })
}

/// What one step of rustls has come to.
#[derive(Debug)]
pub(super) enum Step {
    /// There is more to do with what it has seen.
    Again,
    /// It wants more bytes.
    Blocked,
    /// A record was decrypted where it lay.
    Plain(Plain),
    /// The peer has said that it sends no more.
    Ended,
    /// The end. An alert may wait to be sent.
    Failed(rustls::Error),
}

/// A decrypted record: its length, and bytes of it to tell whether it lies where it should.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    pub(super) len: usize,
    first: [u8; 8],
    /// The last of them, backwards.
    last: [u8; 8],
}

impl Plain {
    fn of(bytes: &[u8]) -> Self {
        let (mut first, mut last) = ([0; 8], [0; 8]);
        first.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        last.iter_mut().zip(bytes.iter().rev()).for_each(|(to, from)| *to = *from);
        Self { len: bytes.len(), first, last }
    }

    /// Whether `bytes` are they. rustls decrypts in place but does not promise to: should it cease
    /// to, connections fail instead of delivering ciphertext.
    pub(super) fn is(&self, bytes: &[u8]) -> bool {
        let other = Self::of(bytes);
        (self.len, self.first, self.last) == (other.len, other.first, other.last)
    }
}

/// Does what rustls asks for: `output` gets what the peer is to be sent. Returns how many bytes of
/// its input it is done with, too.
pub(super) fn step<Side>(
    status: UnbufferedStatus<'_, '_, Side>,
    output: &mut Vec<u8>,
) -> (usize, Step) {
    let mut discard = status.discard;
    let step = match status.state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            // One record at a time goes in.
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    Step::Plain(Plain::of(record.payload))
                }
                Some(Err(error)) => Step::Failed(error),
                None => Step::Again,
            }
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let at = output.len();
            let wanted = match data.encode(&mut []) {
                Err(EncodeError::InsufficientSize(size)) => size.required_size,
                Ok(_) | Err(EncodeError::AlreadyEncoded) => 0,
            };
            output.resize(at + wanted, 0);
            let written = data.encode(output.get_mut(at..).unwrap_or_default()).unwrap_or(0);
            output.truncate(at + written);
            Step::Again
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // Whatever is encoded is sent in this order, or the connection ends.
            data.done();
            Step::Again
        }
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Step::Ended,
        Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => Step::Blocked,
        // Early data is never accepted.
        Ok(_) => Step::Failed(rustls::Error::HandshakeNotComplete),
        Err(error) => Step::Failed(error),
    };
    (discard, step)
}

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Write<'a> {
    Data(&'a [u8]),
    CloseNotify,
}

/// As [`step`], but where data can be written, `what` is. `Step::Blocked` when that is done.
pub(super) fn write<Side>(
    status: UnbufferedStatus<'_, '_, Side>,
    what: Write<'_>,
    output: &mut Vec<u8>,
) -> (usize, Step) {
    let UnbufferedStatus { discard, state, .. } = status;
    let mut traffic = match state {
        Ok(ConnectionState::WriteTraffic(traffic)) => traffic,
        Ok(ConnectionState::BlockedHandshake) => {
            return (discard, Step::Failed(rustls::Error::HandshakeNotComplete));
        }
        state => return step(UnbufferedStatus { discard, state }, output),
    };
    let at = output.len();
    let mut room = match what {
        Write::Data(data) => data.len() + (data.len() / PLAIN_MAX + 1) * OVERHEAD,
        Write::CloseNotify => 2 + OVERHEAD,
    };
    loop {
        output.resize(at + room, 0);
        let into = output.get_mut(at..).unwrap_or_default();
        let written = match what {
            Write::Data(data) => traffic.encrypt(data, into),
            Write::CloseNotify => traffic.queue_close_notify(into),
        };
        match written {
            Ok(written) => {
                output.truncate(at + written);
                return (discard, Step::Blocked);
            }
            // An update of the keys goes before it.
            Err(EncryptError::InsufficientSize(size)) if size.required_size > room => {
                room = size.required_size;
            }
            Err(_) => {
                output.truncate(at);
                return (discard, Step::Failed(rustls::Error::EncryptError));
            }
        }
    }
}
