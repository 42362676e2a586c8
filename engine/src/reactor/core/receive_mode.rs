//! How a socket receives.

/// The receive that is armed, or was last.
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
    /// Not yet: its direct receive waits for its turn.
    Waiting,
    /// Not at all: the end is watched for.
    Watch,
}
