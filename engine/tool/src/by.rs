//! How the kernel is asked.

use clap::{Args, ValueEnum};
use ringws_engine::config::Backend;

/// The choice, as an option of each subcommand that has an engine to itself.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct By {
    /// How to ask the kernel; `auto` is io_uring, or epoll where that is refused
    #[arg(long, value_enum, default_value_t = Choice::Auto)]
    backend: Choice,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    Auto,
    Uring,
    Epoll,
}

impl By {
    pub(crate) fn backend(self) -> Backend {
        match self.backend {
            Choice::Auto => Backend::Auto,
            Choice::Uring => Backend::Uring,
            Choice::Epoll => Backend::Epoll,
        }
    }
}

/// The name of a backend.
pub(crate) fn name(backend: Backend) -> &'static str {
    match backend {
        Backend::Epoll => "epoll",
        Backend::Auto | Backend::Uring => "io_uring",
    }
}
