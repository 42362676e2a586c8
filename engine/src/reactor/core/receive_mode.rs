//! How a socket receives.

/// In which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiveMode {
    /// Into small buffers, until cancelled.
    Multishot,
    /// Once, into a large buffer.
    Large,
    /// Once, for the head of a frame.
    Head,
    /// Once, into the memory of the message in progress.
    Direct,
    /// Once, into the large buffer in which the message in progress began.
    Rest,
    /// Not at all: the end is watched for.
    Watch,
}

/// The receive of a socket: there is at most one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiveState {
    /// None.
    Down,
    /// None yet: a direct receive that waits for its turn.
    Waiting,
    /// The kernel has it.
    Armed(ReceiveMode),
    /// The kernel has it, and is to end it.
    Cancelling(ReceiveMode),
}

impl ReceiveState {
    /// Whether the kernel has it: its completion is still to come.
    #[inline]
    pub(crate) fn is_up(self) -> bool {
        matches!(self, Self::Armed(_) | Self::Cancelling(_))
    }

    /// In which way the one receives that the kernel has.
    #[inline]
    pub(crate) fn mode(self) -> Option<ReceiveMode> {
        match self {
            Self::Armed(mode) | Self::Cancelling(mode) => Some(mode),
            Self::Down | Self::Waiting => None,
        }
    }

    /// It is to end: whether the kernel must be told.
    pub(crate) fn cancel(&mut self) -> bool {
        let Self::Armed(mode) = *self else { return false };
        *self = Self::Cancelling(mode);
        true
    }
}

/// What is known of a connection that sends large messages.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct LargeMessages {
    /// Bytes of memory granted to the message in progress before they have come.
    pub(crate) granted: usize,
    /// Memory that is lent out to receive into, and how much of it is used.
    pub(crate) lent: usize,
    pub(crate) lent_len: usize,
    /// Bytes that the latest direct receive of the frame in progress has brought.
    pub(crate) latest: u32,
    /// The wait after which the message in progress was found to have begun in a large buffer.
    pub(crate) rest_since: u32,
    /// Receives in a row that brought no large frame, and began none.
    pub(crate) small_in_a_row: u8,
}
