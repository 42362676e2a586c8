//! What a connection has for permessage-deflate, once it was agreed on.

use crate::codec::{Codec, Deflater, Inflater, Setting, Share};
use crate::conn::Limits;

/// The sending direction of a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::conn) struct Deflation {
    /// Payloads from so many bytes on take the long way: to be compressed, or with 0 because
    /// messages of any size may have to stand in line. `u32::MAX` when none does. In bytes, whose
    /// alignment costs a connection no room.
    long_from: [u8; 4],
    /// The window of what we compress, in bits; 0: nothing is compressed.
    pub(super) bits: u8,
}

/// A compressor of the connection's own.
#[derive(Debug)]
pub(in crate::conn) struct Own {
    /// Made with the first message.
    pub(super) deflater: Option<Deflater>,
    pub(super) _share: Share,
}

/// An inflater of the connection's own.
#[derive(Debug)]
pub(in crate::conn) struct Inflation {
    /// Made with the first message.
    pub(in crate::conn) inflater: Option<Inflater>,
    /// It remembers earlier messages.
    pub(in crate::conn) takeover: bool,
    /// Bytes of the message in progress, inflated.
    pub(in crate::conn) come: u64,
    pub(super) _share: Share,
}

impl Deflation {
    /// Nothing is compressed.
    pub(in crate::conn) const OFF: Self = Self { long_from: u32::MAX.to_ne_bytes(), bits: 0 };

    /// What is compressed with a window of so many bits.
    pub(super) fn with(bits: u8, limits: &Limits) -> Self {
        Self { bits, ..Self::OFF }.routed(false, limits)
    }

    /// The same; all take the long way, or only those that are compressed.
    pub(in crate::conn) fn routed(self, all: bool, limits: &Limits) -> Self {
        let long_from = match (all, self.bits) {
            (true, _) => 0,
            (false, 0) => u32::MAX,
            // u32::MAX is off.
            (false, _) => deflate_min(limits).min(u32::MAX - 1),
        };
        Self { long_from: long_from.to_ne_bytes(), ..self }
    }

    /// Whether a message of so many bytes takes the long way.
    #[inline]
    pub(in crate::conn) fn is_long_way(&self, len: usize) -> bool {
        len >= u32::from_ne_bytes(self.long_from) as usize
    }

    /// Whether that is so for all.
    #[inline]
    pub(in crate::conn) fn all_go_the_long_way(&self) -> bool {
        self.long_from == [0; 4]
    }

    /// Whether a message of so many bytes is compressed.
    pub(super) fn suits(&self, len: usize, limits: &Limits) -> bool {
        self.bits != 0 && len >= deflate_min(limits) as usize
    }

    pub(super) fn setting(&self, limits: &Limits) -> Setting {
        Setting { level: limits.deflate.unwrap_or_default().level, bits: self.bits }
    }

    /// A message compressed, by the connection's own compressor if it has one; `None` when it is
    /// better sent as it is.
    pub(super) fn deflate<'c>(
        self,
        own: Option<&mut Own>,
        payload: &[u8],
        limits: &Limits,
        codec: &'c mut Codec,
    ) -> Option<&'c [u8]> {
        let setting = self.setting(limits);
        let Some(own) = own else { return codec.deflate(payload, setting) };
        let mem_level = limits.deflate.unwrap_or_default().mem_level;
        let deflater = own.deflater.get_or_insert_with(|| Deflater::new(setting, mem_level));
        // It has seen the message, so the peer must see it too, even if it is not smaller.
        Some(codec.deflate_by(deflater, payload))
    }
}

/// From so many bytes on messages are compressed.
fn deflate_min(limits: &Limits) -> u32 {
    limits.deflate.unwrap_or_default().min
}
