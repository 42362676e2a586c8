//! One connection and the operations of its socket: at most one receive and one send at a time.

use super::wake::{Both, Side};
use super::{Closed, Error, Message};
use crate::conn::{Connection, Data, Disposition, Env, Event, Failure, Limits, SendError, Tools};
use crate::memory::{Batch, Outgoing, Pool};
use crate::proto::handshake::{Refusal, Request, Response};
use crate::proto::{Ask, BadAnswer, CloseCode, Input};
use crate::random::fill_random;
use crate::tick::Tick;
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::io::IoSlice;
use std::net::Shutdown;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::time::{Sleep, sleep_until};
use tokio_uring::net::TcpStream;

/// Bytes that one receive may bring.
const RECEIVE: usize = 64 << 10;
/// Spare memory of one connection.
const POOL: usize = 64 << 10;
/// Pieces of a batch, if there are no more.
const PIECES: usize = 16;

type Operation<T> = Pin<Box<dyn Future<Output = (io::Result<T>, Vec<u8>)>>>;

/// Who decides about an upgrade.
pub(super) type Judge<'a> = dyn FnMut(&Request<'_>, &mut Response) -> Result<(), Refusal> + 'a;

/// See the module.
pub(super) struct Drive {
    stream: Rc<TcpStream>,
    conn: Connection,
    limits: Limits,
    pool: Pool,
    tools: Tools,
    start: Instant,
    /// Messages of the last batch that are still to be asked for.
    ready: VecDeque<Message>,
    /// What was received; consumed up to `at`.
    input: Vec<u8>,
    at: usize,
    reading: Option<Operation<usize>>,
    /// What that has come to, until it is looked at.
    came: Option<(io::Result<usize>, Vec<u8>)>,
    writing: Option<(Batch, Operation<()>)>,
    /// Memory of the last send.
    output: Vec<u8>,
    /// Fires at the deadline that it was set for.
    timer: Option<(Tick, Pin<Box<Sleep>>)>,
    /// The sending direction was shut down.
    ended: bool,
    /// Receiving has failed.
    error: Option<io::ErrorKind>,
    /// Sending has failed: what comes may still be read to its end.
    mute: Option<io::ErrorKind>,
    wakers: Arc<Both>,
    /// Who polls now.
    pub(super) side: Side,
}

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive").field("conn", &self.conn).finish_non_exhaustive()
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        // The runtime keeps a descriptor open for as long as an operation on it is in flight, and
        // a receive may be for ever.
        self.shutdown(Shutdown::Both);
    }
}

impl Drive {
    /// The server's end of `stream`.
    pub(super) fn server(stream: TcpStream, limits: Limits) -> Self {
        // Messages of many small frames would wait for each other's acknowledgements. A socket
        // that knows nothing of it, a Unix one, needs nothing of it.
        let _ = stream.set_nodelay(true);
        Self {
            stream: Rc::new(stream),
            conn: Connection::server(0),
            limits: Limits { stream: false, ..limits },
            pool: Pool::new(POOL),
            tools: Tools::new(fill_random),
            start: Instant::now(),
            ready: VecDeque::new(),
            input: Vec::new(),
            at: 0,
            reading: None,
            came: None,
            writing: None,
            output: Vec::new(),
            timer: None,
            ended: false,
            error: None,
            mute: None,
            wakers: Arc::default(),
            side: Side::Receiver,
        }
    }

    /// A client's end of `stream`, which asks for an upgrade.
    pub(super) fn client(stream: TcpStream, limits: Limits, ask: &Arc<Ask>) -> Self {
        let mut drive = Self::server(stream, limits);
        drive.conn = drive.with_env(|_, env| Connection::client(ask, env));
        drive
    }

    fn with_env<T>(&mut self, call: impl FnOnce(&mut Connection, &mut Env<'_>) -> T) -> T {
        let now = self.start.elapsed().as_millis() as Tick;
        let Self { conn, limits, pool, tools, .. } = self;
        call(conn, &mut Env { now, limits, pool, tools, copied: &mut 0 })
    }

    /// Until the upgrade is answered; after a refusal until the peer has ended.
    pub(super) fn poll_upgrade(
        &mut self,
        cx: &mut Context<'_>,
        judge: &mut Judge<'_>,
    ) -> Poll<Result<(), Error>> {
        while !self.conn.opened() {
            if self.conn.disposition() == Disposition::Abort {
                return Poll::Ready(Err(match self.conn.failure() {
                    Some(
                        Failure::Handshake(status) | Failure::Answer(BadAnswer::Status(status)),
                    ) => Error::Refused(status),
                    other => other.unwrap_or(Failure::EndOfStream).into(),
                }));
            }
            self.consume(judge);
            if !self.conn.opened() {
                // Behind a refusal until the peer ends: see `Disposition::Finish`.
                ready!(self.poll_fill(cx))?;
            }
        }
        self.poll_flush(cx)
    }

    /// The next message; `None` at the end.
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        loop {
            if let Some(message) = self.consume(&mut |_, _| Err(Refusal::new(500))) {
                return Poll::Ready(Ok(Some(message)));
            }
            self.advance(cx)?;
            if self.conn.disposition() == Disposition::Abort {
                return Poll::Ready(match (self.conn.failure(), self.mute) {
                    (None, _) => Ok(None),
                    (Some(Failure::EndOfStream), Some(kind)) => Err(Error::Io(kind.into())),
                    (Some(failure), _) => Err(failure.into()),
                });
            }
            ready!(self.poll_fill(cx))?;
        }
    }

    /// Queues a message when the queue has room.
    pub(super) fn poll_feed(
        &mut self,
        cx: &mut Context<'_>,
        message: &Message,
    ) -> Poll<Result<(), Error>> {
        let outgoing = Outgoing::wrapped(message.opcode(), message.payload().clone());
        loop {
            self.can_send()?;
            match self.with_env(|conn, env| conn.send_message(&outgoing, env)) {
                Ok(_) => return Poll::Ready(Ok(())),
                Err(SendError::Full) => {
                    let before = self.conn.buffered();
                    self.advance(cx)?;
                    if self.conn.buffered() == before {
                        return Poll::Pending;
                    }
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Until all is sent.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.advance(cx)?;
        self.can_send()?;
        match (self.conn.buffered(), self.conn.disposition(), self.conn.failure()) {
            (0, _, _) => Poll::Ready(Ok(())),
            (_, Disposition::Abort, Some(failure)) => Poll::Ready(Err(failure.into())),
            (_, Disposition::Abort, None) => Poll::Ready(Err(SendError::Closing.into())),
            _ => Poll::Pending,
        }
    }

    fn can_send(&self) -> Result<(), Error> {
        self.mute.map_or(Ok(()), |kind| Err(Error::Io(kind.into())))
    }

    pub(super) fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        Ok(self.with_env(|conn, env| conn.close(code, reason, env))?)
    }

    pub(super) fn closed(&self) -> Closed {
        let info = self.conn.close_info();
        Closed { code: info.code, reason: info.reason.to_owned() }
    }

    /// Consumes what was received up to the next message.
    fn consume(&mut self, judge: &mut Judge<'_>) -> Option<Message> {
        if let Some(message) = self.ready.pop_front() {
            return Some(message);
        }
        let now = self.start.elapsed().as_millis() as Tick;
        let Self { conn, limits, pool, tools, ready, input, at, .. } = self;
        let mut env = Env { now, limits, pool, tools, copied: &mut 0 };
        while let Some(rest) = input.get_mut(*at..).filter(|rest| !rest.is_empty()) {
            let mut cursor = Input::new(rest);
            let before = cursor.len();
            let found = conn.receive(&mut cursor, &mut env);
            *at += before - cursor.len();
            match found {
                Ok(Some(Event::Message { opcode, data, .. })) => {
                    let payload = match data {
                        Data::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
                        Data::Owned(bytes) => Bytes::from(bytes),
                    };
                    return Some(Message::received(opcode, payload));
                }
                Ok(Some(Event::Batch(batch))) => {
                    ready.extend(batch.map(|(opcode, bytes)| {
                        Message::received(opcode, Bytes::copy_from_slice(bytes))
                    }));
                    return ready.pop_front();
                }
                Ok(Some(Event::Request(request))) => {
                    let mut response = Response::default();
                    match judge(&request, &mut response) {
                        Ok(()) => conn.accept(&request, &response, &mut env),
                        Err(refusal) => conn.refuse(&refusal, &mut env),
                    }
                    return None;
                }
                Ok(Some(Event::Open(_))) => return None,
                Ok(Some(Event::Tunnel | Event::Pong(_) | Event::Close)) => {}
                Ok(None) | Err(_) => return None,
            }
        }
        None
    }

    /// Receives more: at the end of the stream the connection knows it.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.advance(cx)?;
        if self.conn.disposition() == Disposition::Abort {
            return Poll::Ready(Ok(()));
        }
        if self.reading.is_none() && self.came.is_none() {
            let (stream, mut input) = (Rc::clone(&self.stream), std::mem::take(&mut self.input));
            input.clear();
            self.at = 0;
            input.reserve_exact(RECEIVE);
            self.reading = Some(Box::pin(async move { stream.read(input).await }));
        }
        let waker = Waker::from(Arc::clone(&self.wakers));
        self.look_at_reading(&mut Context::from_waker(&waker));
        let Some((result, input)) = self.came.take() else { return Poll::Pending };
        self.input = input;
        match result {
            Ok(0) => self.with_env(|conn, env| conn.end_of_stream(env.now)),
            Ok(_) => {}
            Err(error) => return Poll::Ready(Err(self.fail(error))),
        }
        Poll::Ready(Ok(()))
    }

    fn look_at_reading(&mut self, cx: &mut Context<'_>) {
        if let Some(reading) = &mut self.reading
            && let Poll::Ready(came) = reading.as_mut().poll(cx)
        {
            (self.reading, self.came) = (None, Some(came));
        }
    }

    /// Sends what is queued as far as it goes, ends the sending direction when nothing will
    /// follow, and minds the time.
    fn advance(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if let Some(kind) = self.error {
            return Err(Error::Io(kind.into()));
        }
        self.wakers.register(self.side, cx);
        let waker = Waker::from(Arc::clone(&self.wakers));
        let mut both = Context::from_waker(&waker);
        self.poll_timer(&mut both);
        loop {
            if self.writing.is_none() {
                if self.conn.holds_latest() {
                    self.with_env(|conn, env| conn.queue_latest(env));
                }
                let Some(batch) = self.conn.transmit() else { break };
                self.write(batch);
                self.with_env(|conn, env| conn.note_waiting(env.now));
            }
            let Some((_, operation)) = &mut self.writing else { break };
            let Poll::Ready((result, output)) = operation.as_mut().poll(&mut both) else { break };
            self.output = output;
            if let Some((batch, _)) = self.writing.take() {
                let sent = if result.is_ok() { batch.len() } else { 0 };
                self.with_env(|conn, env| conn.transmitted(batch, sent, env));
            }
            match result {
                // Whether it had to wait for room is not told; behind a queue it will have had to.
                Ok(()) if self.conn.buffered() > 0 => {
                    self.with_env(|conn, env| conn.room_made(env.now));
                }
                Ok(()) => {}
                Err(error) => {
                    self.mute = Some(error.kind());
                    self.with_env(|conn, env| conn.cannot_send(env.now, env.pool));
                }
            }
            // Who waits for room, or for the end of it.
            waker.wake_by_ref();
            self.wakers.register(self.side, cx);
        }
        match self.conn.disposition() {
            Disposition::Finish if self.conn.buffered() == 0 && !self.ended => {
                self.ended = true;
                self.shutdown(Shutdown::Write);
            }
            // What is in flight ends with it.
            Disposition::Abort => self.shutdown(Shutdown::Both),
            _ => {}
        }
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) {
        // An error says that the peer has gone, which the receive tells as well.
        let _ = self.stream.shutdown(how);
    }

    /// Starts to send a batch, copied into one piece: the operation must own it.
    fn write(&mut self, batch: Batch) {
        let mut output = std::mem::take(&mut self.output);
        output.clear();
        let mut room = PIECES;
        loop {
            let mut slices = vec![IoSlice::new(&[]); room];
            let count = batch.slices(&mut slices);
            if count < room {
                slices.iter().take(count).for_each(|slice| output.extend_from_slice(slice));
                break;
            }
            room *= 2;
        }
        let stream = Rc::clone(&self.stream);
        let write = async move { stream.write_all(output).await };
        self.writing = Some((batch, Box::pin(write)));
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) {
        while let Some(deadline) = self.conn.deadline(&self.limits) {
            if self.timer.as_ref().is_none_or(|(at, _)| *at > deadline) {
                let at = self.start + Duration::from_millis(deadline);
                self.timer = Some((deadline, Box::pin(sleep_until(at.into()))));
            }
            // One that was set for an earlier deadline fires early and is set anew.
            let Some((_, timer)) = &mut self.timer else { return };
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.timer = None;
            // Nobody is judged by a silence while what it has said waits to be looked at.
            self.look_at_reading(cx);
            if self.came.is_some() {
                return;
            }
            self.with_env(|conn, env| conn.expired(env));
        }
    }

    fn fail(&mut self, error: io::Error) -> Error {
        self.error = Some(error.kind());
        Error::Io(error)
    }
}
