//! Time as the protocol sees it: a number handed in, never a clock read.

/// Milliseconds on a monotonic clock whose zero is the start of the reactor.
pub type Tick = u64;
