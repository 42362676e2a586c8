//! `async`/`await` on tokio-uring: the protocol of `conn` under another owner of the I/O, for Rust
//! programs that live in that runtime. A [`WebSocket`] belongs to the thread of its runtime.
//!
//! ```no_run
//! # use ringws_engine::aio::{Options, WebSocket};
//! # async fn echo(stream: tokio_uring::net::TcpStream) -> Result<(), ringws_engine::aio::Error> {
//! let mut socket = WebSocket::accept(stream, &Options::default()).await?;
//! while let Some(message) = socket.recv().await? {
//!     socket.send(message).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Cancellation.** Every future may be dropped at any time, as `select!` does: what has been
//! received stays for the next [`WebSocket::recv`], and a message is queued whole or not at all.
//! The operations of the kernel belong to the socket, not to the futures.
//!
//! It receives and sends one operation at a time and copies what it sends once: for throughput, use
//! the [`Engine`](crate::engine::Engine).

mod connect;
mod drive;
mod halves;
mod message;
mod wake;

pub use halves::{Receiver, Sender};
pub use message::Message;

use crate::conn::{Failure, Limits, SendError};
use crate::proto::handshake::{Refusal, Request, Response};
use crate::proto::{CloseCode, InvalidUrl, Origins};
use drive::Drive;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use tokio_uring::net::TcpStream;
use wake::Side;

/// What a connection is held to.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Its limits. `stream` is not supported: messages are delivered whole.
    pub limits: Limits,
    /// Whose web pages may connect.
    pub origins: Origins,
}

/// Why a call failed. The connection is over, but for [`Error::Refused`] and [`Error::Queue`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The transport failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The peer broke the protocol or a limit, was late, or ended without a Close frame.
    #[error("{0}")]
    Failed(#[from] Failure),
    /// The upgrade was refused, by its rules or by the callback; of a client, by the server.
    #[error("upgrade refused with {0}")]
    Refused(u16),
    /// The message was not queued.
    #[error("{0}")]
    Queue(#[from] SendError),
    /// Not a URL that can be connected to.
    #[error("{0}")]
    Url(InvalidUrl),
    /// A limit is out of its range: which, and the range.
    #[error("{0}")]
    Invalid(&'static str),
}

/// How a connection was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The peer's code; `NO_STATUS` for a Close frame without one.
    pub code: CloseCode,
    /// The peer's reason.
    pub reason: String,
}

/// One WebSocket connection.
#[derive(Debug)]
pub struct WebSocket {
    drive: Rc<RefCell<Drive>>,
}

impl WebSocket {
    /// Answers the upgrade that a client asks for on `stream`.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is none, or of a page that may not connect; the answer has been
    /// sent then. [`Error::Failed`] when it did not come in time, [`Error::Io`], and
    /// [`Error::Invalid`] for limits out of range.
    pub async fn accept(stream: TcpStream, options: &Options) -> Result<Self, Error> {
        Self::accept_with(stream, options, |_, _| Ok(())).await
    }

    /// As [`WebSocket::accept`]; `decide` sees the request, may choose a subprotocol and add
    /// headers to the response, or refuse.
    ///
    /// # Errors
    /// As [`WebSocket::accept`].
    pub async fn accept_with(
        stream: TcpStream,
        options: &Options,
        decide: impl FnOnce(&Request<'_>, &mut Response) -> Result<(), Refusal>,
    ) -> Result<Self, Error> {
        options.limits.check().map_err(Error::Invalid)?;
        let mut drive = Drive::server(stream, options.limits);
        let mut decide = Some(decide);
        let mut judge = |request: &Request<'_>, response: &mut Response| {
            if !options.origins.allow(request) {
                return Err(Refusal::new(403).because("this origin may not connect"));
            }
            decide.take().map_or(Ok(()), |decide| decide(request, response))
        };
        poll_fn(|cx| drive.poll_upgrade(cx, &mut judge)).await?;
        Ok(Self { drive: Rc::new(RefCell::new(drive)) })
    }

    /// The next message; `None` when the connection is closed in order. Answers Pings and the
    /// peer's Close, and sends what was queued, while it waits.
    ///
    /// # Errors
    /// [`Error::Failed`] and [`Error::Io`]: the same again when it is called again.
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|cx| self.drive.borrow_mut().poll_recv(cx)).await
    }

    /// Queues a message and waits until it, and all that was queued before it, has been sent.
    ///
    /// # Errors
    /// [`Error::Queue`] when it was not queued; else as [`WebSocket::recv`].
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Queues a message; waits only while `send_queue_max` is exceeded. It is sent by the next
    /// call that waits.
    ///
    /// # Errors
    /// As [`WebSocket::send`].
    pub async fn feed(&mut self, message: Message) -> Result<(), Error> {
        poll_fn(|cx| self.drive.borrow_mut().poll_feed(cx, &message)).await
    }

    /// Waits until all that was queued has been sent.
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.drive.borrow_mut().poll_flush(cx)).await
    }

    /// Closes with `code` and `reason` (at most 123 bytes), and waits for the peer's half of it.
    /// Messages that come before it are dropped.
    ///
    /// # Errors
    /// [`Error::Queue`] for a code that must not be sent or a longer reason; else as
    /// [`WebSocket::recv`].
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<Closed, Error> {
        self.drive.borrow_mut().close(code, reason)?;
        while self.recv().await?.is_some() {}
        Ok(self.drive.borrow().closed())
    }

    /// How it was closed, after [`WebSocket::recv`] has returned `None`.
    pub fn closed(&self) -> Closed {
        self.drive.borrow().closed()
    }

    /// Halves for two tasks of the same thread.
    pub fn split(self) -> (Sender, Receiver) {
        let waking = |side| halves::Half { drive: Rc::clone(&self.drive), side };
        (Sender(waking(Side::Sender)), Receiver(waking(Side::Receiver)))
    }
}
