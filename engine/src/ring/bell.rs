//! What calls a thread back that has other work.

use crate::tick::Tick;
use io_uring::types::Timespec;
use std::cell::UnsafeCell;

/// Whether it can be called, and when it will be.
#[derive(Default)]
pub(super) struct Bell {
    /// The waker's eventfd is registered with the ring, and nobody else reads it.
    pub(super) is_hung: bool,
    /// When the one timeout goes off that is kept in the ring; `None`: it is not out.
    pub(super) due: Option<Tick>,
    /// How long from now on, for the kernel to read.
    pub(super) left: UnsafeCell<Timespec>,
}
