//! The bytes of a batch that are copied, or would be if there were more of them.

use std::sync::Arc;

/// Where the copied bytes of a batch lie.
#[derive(Debug)]
pub(super) enum Copied {
    /// In a vector of ours, which all that follows is appended to.
    Own(Vec<u8>),
    /// In a frame that was made once for many connections. As soon as anything else is copied
    /// behind it, it is, too.
    Frame(Arc<[u8]>),
}

impl Default for Copied {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Copied {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Frame(frame) => frame,
        }
    }

    /// The vector, to append to.
    #[inline]
    pub(super) fn own(&mut self) -> &mut Vec<u8> {
        if let Self::Frame(_) = self {
            self.unshare(Vec::new());
        }
        match self {
            Self::Own(bytes) => bytes,
            Self::Frame(_) => unreachable!("it was copied"),
        }
    }

    /// Copies the frame to `memory`.
    #[inline(never)]
    pub(super) fn unshare(&mut self, mut memory: Vec<u8>) {
        memory.extend_from_slice(self.bytes());
        *self = Self::Own(memory);
    }
}
