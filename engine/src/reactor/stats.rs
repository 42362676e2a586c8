//! Counters of one reactor: written by its thread alone, read by any.

/// A snapshot. All counts since the start, except where it says "now".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections now (from accept to close, whatever their state).
    pub connections: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Upgrades answered with 101.
    pub upgraded: u64,
    /// Upgrades answered otherwise.
    pub refused: u64,
    /// Connections that failed by a violation of the protocol or a limit.
    pub violations: u64,
    /// Connections that timed out.
    pub timeouts: u64,
    /// Messages delivered (parts count once each in stream mode).
    pub messages_in: u64,
    /// Payload bytes delivered.
    pub bytes_in: u64,
    /// Messages queued to be sent.
    pub messages_out: u64,
    /// Bytes handed to the kernel and sent.
    pub bytes_out: u64,
    /// Received payload bytes that had to be copied.
    pub bytes_copied: u64,
    /// Messages kept by reference.
    pub retained: u64,
    /// Messages that `retain` had to copy.
    pub retain_copied: u64,
    /// Messages forwarded from other threads whose connection was gone or refused them.
    pub forward_dropped: u64,
    /// Times that the buffer ring was empty.
    pub buffers_exhausted: u64,
    /// Times that accepting was paused for lack of descriptors or slots.
    pub accept_paused: u64,
    /// Turns of the loop.
    pub turns: u64,
}
