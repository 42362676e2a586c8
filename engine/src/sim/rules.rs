//! What the limits of a run promise beside the protocol.

use crate::conn::WhenFull;
use crate::proto::CloseCode;
use crate::reactor::AddressLimits;
use crate::tick::Tick;

/// What is said to who has been here for long enough: nobody else says it.
pub(super) const LIFETIME_CODE: CloseCode = CloseCode(4100);

/// Those that the record checks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) when_full: WhenFull,
    pub(super) queue_max: usize,
    pub(super) age_max: u32,
    /// How long a connection lives at most.
    pub(super) lifetime_max: u32,
    pub(super) addresses: AddressLimits,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            when_full: WhenFull::Refuse,
            queue_max: usize::MAX,
            age_max: u32::MAX,
            lifetime_max: u32::MAX,
            addresses: AddressLimits::default(),
        }
    }
}

impl Rules {
    /// Whether a queue that is full ends its connection.
    pub(super) fn ends(&self) -> bool {
        matches!(self.when_full, WhenFull::Close | WhenFull::Abort)
    }

    /// When a connection that was opened then may be closed for its age, and must be.
    pub(super) fn lifetime(&self, opened: Tick) -> (Tick, Tick) {
        let most = Tick::from(self.lifetime_max);
        (opened + most - most / 10, opened + most)
    }
}
