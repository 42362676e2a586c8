//! Which of the two kernels it is: io_uring, or epoll where that is refused.

use super::features;
use super::{Errno, KernelConfig, Refused, Uring};
use std::time::{Duration, Instant};

/// How the kernel is to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// By io_uring; by epoll where io_uring is refused, or lacks what is required.
    #[default]
    Auto,
    /// By io_uring, or not at all.
    Uring,
    /// By epoll.
    Epoll,
}

/// What it has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// [`Backend::Uring`] or [`Backend::Epoll`].
    pub backend: Backend,
    /// Why it is not io_uring, though that was asked for first.
    pub refused: Option<Refused>,
}

/// Chooses. [`Backend::Auto`] makes a small ring and tries it, which costs a millisecond. That
/// memory or descriptors have run out is no reason for epoll: whoever makes the rings then is told
/// how much they would have needed.
pub fn choose(wanted: Backend) -> Chosen {
    let refused = match wanted {
        Backend::Uring => None,
        Backend::Epoll => return Chosen { backend: Backend::Epoll, refused: None },
        Backend::Auto => tried().err().filter(Refused::is_of_io_uring),
    };
    let backend = if refused.is_some() { Backend::Epoll } else { Backend::Uring };
    Chosen { backend, refused }
}

/// On a thread of its own: see [`features::table`].
fn tried() -> Result<(), Refused> {
    std::thread::scope(|scope| match std::thread::Builder::new().spawn_scoped(scope, attempt) {
        Ok(thread) => thread.join().unwrap_or_else(|_| attempt()),
        Err(_) => attempt(),
    })
}

/// All that a reactor's ring needs, on a small scale.
fn attempt() -> Result<(), Refused> {
    let ring = Uring::new(KernelConfig {
        index: 0,
        sockets_max: 1,
        recv_buffers: 16,
        recv_buffer_size: 64,
        sqpoll: false,
        busy_poll: Duration::ZERO,
        coalesce: Duration::ZERO,
        leaves: false,
        listeners: Vec::new(),
        wakers: [].into(),
        start: Instant::now(),
    })?;
    drop(ring);
    // Older kernels have the operation, but not this way of it, which no probe tells.
    features::multishot_receives().map_err(|errno| match errno {
        Errno::MFILE | Errno::NFILE | Errno::NOMEM => Refused::new("io_uring_enter", errno),
        _ => Refused::lacking("multishot receives from a ring of buffers (IORING_OP_RECV)"),
    })
}

impl Refused {
    /// Whether it is io_uring that is missing or forbidden, so that asking otherwise would help,
    /// and not memory or descriptors, which epoll needs too.
    pub fn is_of_io_uring(&self) -> bool {
        const FORBIDDEN: [Errno; 6] =
            [Errno::NOSYS, Errno::PERM, Errno::ACCESS, Errno::INVAL, Errno::OPNOTSUPP, Errno::NXIO];
        !self.out_of_memory && FORBIDDEN.contains(&self.errno)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_run_out_is_no_reason_for_epoll() {
        for (errno, expected) in [
            (Errno::NOSYS, true),
            (Errno::PERM, true),
            (Errno::ACCESS, true),
            (Errno::INVAL, true),
            (Errno::NOMEM, false),
            (Errno::MFILE, false),
            (Errno::NFILE, false),
            (Errno::AGAIN, false),
        ] {
            assert_eq!(Refused::new("a call", errno).is_of_io_uring(), expected, "{errno}");
        }
        assert!(Refused::lacking("something").is_of_io_uring());
    }

    #[test]
    fn this_kernel_gives_what_is_asked_for() {
        for (wanted, backend) in [
            (Backend::Auto, Backend::Uring),
            (Backend::Uring, Backend::Uring),
            (Backend::Epoll, Backend::Epoll),
        ] {
            assert_eq!(choose(wanted), Chosen { backend, refused: None });
        }
    }
}
