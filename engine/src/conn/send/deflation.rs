//! What a connection has for permessage-deflate, once it was agreed on.

use crate::codec::{Codec, Deflater, Inflater, Setting, Share};
use crate::conn::Limits;
use crate::proto::deflate;

/// The sending direction of a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::conn) struct Deflation {
    /// Whole messages from here on are compressed. `u32::MAX` when nothing is.
    pub(super) min: u32,
    /// The window of what we compress, in bits.
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
    pub(in crate::conn) const OFF: Self = Self { min: u32::MAX, bits: deflate::BITS_MAX };

    /// Whether a message of so many bytes is compressed.
    #[inline]
    pub(in crate::conn) fn suits(&self, len: usize) -> bool {
        len >= self.min as usize
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
