//! A network namespace of its own. No name is given to it, so it ends with the last process,
//! thread and descriptor that is in it or refers to it: nothing has to be cleaned up.

use crate::error::{Error, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;

/// One.
#[derive(Debug)]
pub struct Space {
    file: File,
}

impl Space {
    /// Makes one; root may.
    pub fn new() -> Result<Arc<Self>> {
        // The thread that asks for it is in it, so it is none that does anything else.
        let made = std::thread::spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
                .map_err(Error::io("a network namespace"))?;
            let path = "/proc/thread-self/ns/net";
            Ok(Self { file: File::open(path).map_err(Error::io(path))? })
        });
        let panicked = |_| Err(Error::Server("a thread panicked".into()));
        made.join().unwrap_or_else(panicked).map(Arc::new)
    }

    /// Runs something in it, on a thread.
    pub fn run<T: Send>(&self, it: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let inside = || {
            self.enter()?;
            it()
        };
        std::thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|_| Err(Error::Server("a thread panicked".into())))
    }

    /// The calling thread, and what it starts from now on, is in it.
    pub fn enter(&self) -> Result<()> {
        move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(Error::io("entering a network namespace"))
    }
}
