//! Waking a reactor that waits in the kernel.

use super::Errno;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes one reactor, from any thread. Lives as long as the engine.
#[derive(Debug)]
pub struct Waker {
    eventfd: OwnedFd,
    /// The reactor's ring once it has one, for `MSG_RING` from another ring. A descriptor of its
    /// own: its number cannot come to mean another file while an engine may still use it.
    ring: OnceLock<OwnedFd>,
    /// A second ring has taken the place: messages would go to the first.
    succeeded: AtomicBool,
}

impl Waker {
    /// A waker with nobody behind it yet; a wake is kept until there is.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `ENOMEM`: see `eventfd(2)`.
    pub fn new() -> Result<Self, Errno> {
        // Not NONBLOCK: io_uring would then answer a read with EAGAIN instead of waiting. A write
        // blocks only when 2^64 - 2 wakes are unread.
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Self { eventfd, ring: OnceLock::new(), succeeded: AtomicBool::new(false) })
    }

    /// Makes the reactor see `Completion::Woken`. Any thread; async-signal-safe: one `write(2)`,
    /// after which `errno` is as before.
    pub fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: errno is the calling thread's own, and valid for a read.
        let errno = unsafe { *libc::__errno_location() };
        // SAFETY: eight bytes of this frame, to a descriptor that `self` owns. A failure could
        // only be EAGAIN or EINTR, and a blocking eventfd far from its limit gives neither.
        unsafe { libc::write(self.eventfd.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        // SAFETY: errno is the calling thread's own, and valid for a write.
        unsafe { *libc::__errno_location() = errno };
    }

    /// What its ring reads from.
    pub(super) fn eventfd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }

    /// Lets other rings reach this one without the eventfd. Without it, or when the descriptor
    /// cannot be copied, the eventfd serves.
    pub(super) fn attach(&self, ring: BorrowedFd<'_>) {
        let Ok(ring) = ring.try_clone_to_owned() else { return };
        if self.ring.set(ring).is_err() {
            self.succeeded.store(true, Ordering::Release);
        }
    }

    /// The ring to message, if known.
    pub(super) fn ring(&self) -> Option<BorrowedFd<'_>> {
        if self.succeeded.load(Ordering::Acquire) {
            return None;
        }
        self.ring.get().map(AsFd::as_fd)
    }
}
