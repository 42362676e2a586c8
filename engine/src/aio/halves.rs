//! The two halves of a split connection.

use super::drive::Drive;
use super::wake::Side;
use super::{Closed, Error, Message};
use crate::proto::CloseCode;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};

/// One half's hold on the connection.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) drive: Rc<RefCell<Drive>>,
    pub(super) side: Side,
}

/// The receiving half. Answers Pings and the closing handshake: keep it polled.
#[derive(Debug)]
pub struct Receiver(pub(super) Half);

/// The sending half. When it is dropped, the connection stays open for receiving.
#[derive(Debug)]
pub struct Sender(pub(super) Half);

impl Half {
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        call: impl FnOnce(&mut super::drive::Drive, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut drive = self.drive.borrow_mut();
        drive.side = self.side;
        call(&mut drive, cx)
    }
}

impl Receiver {
    /// As [`WebSocket::recv`](super::WebSocket::recv).
    ///
    /// # Errors
    /// The same.
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|cx| self.0.poll(cx, |drive, cx| drive.poll_recv(cx))).await
    }

    /// As [`WebSocket::closed`](super::WebSocket::closed).
    pub fn closed(&self) -> Closed {
        self.0.drive.borrow().closed()
    }
}

impl Sender {
    /// As [`WebSocket::send`](super::WebSocket::send).
    ///
    /// # Errors
    /// The same.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
    }

    /// As [`WebSocket::feed`](super::WebSocket::feed).
    ///
    /// # Errors
    /// The same.
    pub async fn feed(&mut self, message: Message) -> Result<(), Error> {
        poll_fn(|cx| self.0.poll(cx, |drive, cx| drive.poll_feed(cx, &message))).await
    }

    /// As [`WebSocket::flush`](super::WebSocket::flush).
    ///
    /// # Errors
    /// The same.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.0.poll(cx, |drive, cx| drive.poll_flush(cx))).await
    }

    /// Begins the closing handshake, and waits until the Close frame has been sent. The receiving
    /// half sees the end of it.
    ///
    /// # Errors
    /// As [`WebSocket::close`](super::WebSocket::close).
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.0.drive.borrow_mut().close(code, reason)?;
        self.flush().await
    }
}
