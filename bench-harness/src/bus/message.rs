//! What is published: when, and the how manyth.

use crate::cluster::NUMBER;
use crate::error::{Error, Result};

/// The first byte: engines say other things that begin otherwise.
const MARK: u8 = b'm';
const HEAD: usize = NUMBER.end;
const FILL: u8 = 0x5c;

/// When a message was published, in nanoseconds, and its place among all of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) at_ns: u64,
    pub(super) serial: u64,
}

impl Stamp {
    /// Written into `message`, which gets `size` bytes, 17 at least.
    pub(super) fn write(self, size: usize, message: &mut Vec<u8>) {
        message.clear();
        message.push(MARK);
        message.extend_from_slice(&self.at_ns.to_be_bytes());
        message.extend_from_slice(&self.serial.to_be_bytes());
        message.resize(size.max(HEAD), FILL);
    }

    /// `None`: it is something that engines say. The bytes behind the stamp must be those that were
    /// published.
    pub(super) fn read(message: &[u8], size: usize) -> Result<Option<Self>> {
        let Some((&MARK, rest)) = message.split_first() else { return Ok(None) };
        let parts = rest.split_first_chunk::<8>().and_then(|(at, rest)| {
            let (serial, fill) = rest.split_first_chunk::<8>()?;
            Some((at, serial, fill))
        });
        match parts {
            Some((at, serial, fill))
                if message.len() == size.max(HEAD) && fill.iter().all(|byte| *byte == FILL) =>
            {
                let (at_ns, serial) = (u64::from_be_bytes(*at), u64::from_be_bytes(*serial));
                Ok(Some(Self { at_ns, serial }))
            }
            _ => Err(Error::Protocol("a message is not what was published".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_as_it_was_or_not_at_all() {
        let (stamp, mut message) = (Stamp { at_ns: 1 << 40, serial: 7 }, Vec::new());
        for size in [0, 17, 300] {
            stamp.write(size, &mut message);
            assert_eq!(Stamp::read(&message, size).expect("whole"), Some(stamp));
            assert!(Stamp::read(&message, size.max(17) + 1).is_err(), "it is too short");
        }
        message[299] ^= 1;
        assert!(Stamp::read(&message, 300).is_err());
        assert_eq!(Stamp::read(b"p\0", 300).expect("what engines say"), None);
    }
}
