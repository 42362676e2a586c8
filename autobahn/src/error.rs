//! What stops a run. A case that fails does not: it is counted and reported.

use std::io;

/// What most functions here return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The options make no sense; says which.
    #[error("{0}")]
    Usage(String),
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// The file or the step.
        what: String,
        /// What it said.
        source: io::Error,
    },
    /// A file does not say what it should.
    #[error("{what}: {reason}")]
    Data {
        /// The file.
        what: String,
        /// What is wrong in it.
        reason: String,
    },
    /// Another program failed.
    #[error("`{command}` failed ({status})\n{output}")]
    Command {
        /// With its arguments.
        command: String,
        /// Its exit status or signal.
        status: String,
        /// The last lines it wrote.
        output: String,
    },
    /// There is nothing to run the suite on.
    #[error(
        "the Autobahn suite needs Python 2.7 and this machine has none (looked for python2.7, \
         python2 and pypy on PATH and under ~/.pyenv/versions).\n\
         Install one of:\n  \
         pyenv install 2.7.18\n  \
         apt-get install python2.7 python2.7-dev   (Debian 11, Ubuntu 20.04 and 22.04)\n\
         or put a `wstest` of autobahntestsuite on PATH that runs."
    )]
    NoPython,
    /// The suite could not be installed, and why.
    #[error(
        "could not install the Autobahn suite; it comes from PyPI, so this needs the network \
         (or a mirror named by PIP_INDEX_URL or PIP_FIND_LINKS), and a C compiler with the headers \
         of Python 2.7. Without: put a `wstest` that runs on PATH.\n{0}"
    )]
    Install(Box<Error>),
    /// A process of the suite could not do its part.
    #[error("{0}")]
    Suite(String),
    /// The echo server misbehaved.
    #[error("the server {what}\n{log}")]
    Server {
        /// What it did.
        what: String,
        /// The last lines of its standard error.
        log: String,
    },
}

impl Error {
    /// For `map_err`: an operating system error and what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// For `map_err`: a file that does not say what it should.
    pub fn data<E: std::fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |reason| Self::Data { what, reason: reason.to_string() }
    }
}
