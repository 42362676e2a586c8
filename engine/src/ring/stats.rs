//! Counters of one kernel.

/// What it has done since it was made. Read on its own thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelStats {
    /// 1 if it is epoll, 0 if it is a ring.
    pub by_epoll: u64,
    /// Calls of `io_uring_enter(2)`, or of `epoll_wait(2)`.
    pub enters: u64,
    /// Completions taken.
    pub completions: u64,
    /// Submissions outside of a wait: the submission queue was full, or what is in it is urgent.
    pub flushes: u64,
    /// Receives that found no buffer.
    pub buffers_exhausted: u64,
    /// Receives that had to wait for a large buffer.
    pub large_waits: u64,
    /// Receives armed again after they found no small buffer.
    pub rearms: u64,
    /// Times that completions had no room in their queue and were fetched from the kernel.
    pub cq_overflow: u64,
    /// Buffers to be kept in the kernel's ring, now.
    pub window: u64,
    /// Sockets whose peer could not be learned.
    pub peers_unknown: u64,
}
