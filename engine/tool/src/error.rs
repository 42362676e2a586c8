//! Why the tool could not do what it was asked, and what to do next.

use crate::alert;
use std::io;
use std::path::PathBuf;

/// Why there was no result. The program ends with 2.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An argument that means nothing; the text says what would.
    #[error("{0}")]
    Usage(String),
    /// A URL that cannot be connected to.
    #[error("{url}: {why}\n  a URL looks like ws://host:port/path or wss://host/path")]
    Url { url: String, why: String },
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// A corpus that is none.
    #[error("{}: {source}", path.display())]
    Corpus { path: PathBuf, source: crate::check::row::CorpusError },
    /// Nobody is there.
    #[error("{at}: {why}\n  is the server running, and is this its port?")]
    Unreachable { at: String, why: String },
    /// The server has refused, or is none.
    #[error("{url}: {why}\n  {next}")]
    Refused { url: String, why: String, next: &'static str },
    /// TLS.
    #[error("TLS with {at}: {}\n  {}", alert::told(why), alert::next(why))]
    Tls { at: String, why: String },
    /// The engine below.
    #[error("{0}{next}", next = next_of(.0))]
    Engine(#[from] ringws_engine::engine::Error),
    /// The terminal, a pipe.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The engine's own texts say most of it.
fn next_of(error: &ringws_engine::engine::Error) -> &'static str {
    use ringws_engine::engine::Error as E;
    match error {
        E::System { source, .. } if *source == ringws_engine::ring::Errno::ADDRINUSE => {
            "\n  another program listens there: --port 0 takes a free port"
        }
        E::System { source, .. } if *source == ringws_engine::ring::Errno::ACCESS => {
            "\n  ports below 1024 are for root: take one above"
        }
        E::Kernel(_) => "\n  `ringws probe` tells what this kernel offers",
        _ => "",
    }
}

/// What it comes to.
pub(crate) type Result<T> = std::result::Result<T, Error>;
