//! What a callback may do: the reactor, without its kernel.

use crate::conn::{Cause, Env, Queued, Reading, SendError, SendFlags};
use crate::memory::Outgoing;
use crate::proto::{Answer, CloseCode, Opcode};
use crate::reactor::api::contract::{Context, Handle, Mail};
use crate::reactor::api::upgrade::{Message, Messages};
use crate::reactor::core::name::{CallError, Conn};
use crate::reactor::core::slab::{EndsBy, Slot};
use crate::reactor::deliver::shared::Source;
use crate::ring::Credentials;
use std::net::SocketAddr;

impl Context {
    /// Queues one frame: Text (checked UTF-8), Binary, Continuation, Ping or Pong. Copies
    /// `payload`. All that is queued for a connection in one turn leaves in one send. A connection
    /// of another reactor works too: the call is forwarded, and `Queued::Ok` means that it was.
    /// What becomes of a message for which there is no room, `Limits::when_full` says, or
    /// [`Context::set_queue_policy`].
    ///
    /// # Errors
    /// [`CallError::Gone`] for a stale handle, [`CallError::Send`] when the connection refuses,
    /// [`CallError::MailboxFull`] when it cannot be forwarded. Nothing was queued then.
    #[inline]
    pub fn send(
        &mut self,
        conn: Conn,
        opcode: Opcode,
        payload: &[u8],
        flags: SendFlags,
    ) -> Result<Queued, CallError> {
        if !flags.more && self.answer(conn, opcode, payload) {
            return Ok(Queued::Ok);
        }
        self.send_any(conn, opcode, payload, flags)
    }

    /// The short way of [`Context::send`]: queues a whole message of at most 125 bytes, Binary or
    /// ASCII text, for the connection whose messages are being delivered. `false` means nothing but
    /// that it is for the long way.
    #[doc(hidden)]
    #[inline(always)]
    pub fn answer(&mut self, conn: Conn, opcode: Opcode, payload: &[u8]) -> bool {
        self.post.own.is_written(conn) && self.batch.writer.push(opcode, payload)
    }

    #[inline(never)]
    fn send_any(
        &mut self,
        conn: Conn,
        opcode: Opcode,
        payload: &[u8],
        flags: SendFlags,
    ) -> Result<Queued, CallError> {
        if self.is_foreign(conn) {
            let (sender, payload) = (self.index, payload.into());
            let mail = Mail::Frame { conn, sender, opcode, payload, flags };
            return self.forward(conn, mail).map(|()| Queued::Ok);
        }
        if !self.post.lines.is_empty() {
            let (sender, payload) = (self.index, payload.into());
            return self.in_turn(
                conn,
                sender,
                Mail::Frame { conn, sender, opcode, payload, flags },
            );
        }
        self.send_now(conn, opcode, payload, flags)
    }

    /// The same for a connection of ours, whoever is in the middle of a message.
    #[inline]
    pub(crate) fn send_now(
        &mut self,
        conn: Conn,
        opcode: Opcode,
        payload: &[u8],
        flags: SendFlags,
    ) -> Result<Queued, CallError> {
        // What is under delivery is sent on without a copy where that pays.
        let queued = self.on_source(conn, |slot, env, source| {
            let share = |brief| source.frame(opcode, payload, brief);
            slot.conn.send_from(opcode, payload, flags, env, share)
        })?;
        self.counters.count_out_one(opcode, queued != Queued::Dropped);
        if conn == self.batch.conn {
            self.open_writer(conn);
        }
        Ok(queued)
    }

    /// Queues a message made before, by reference unless it is small. As [`Context::send`].
    ///
    /// # Errors
    /// As [`Context::send`].
    pub fn send_message(&mut self, conn: Conn, message: &Outgoing) -> Result<Queued, CallError> {
        if self.is_foreign(conn) {
            let mail = Mail::Message { conn, sender: self.index, message: message.clone() };
            return self.forward(conn, mail).map(|()| Queued::Ok);
        }
        if !self.post.lines.is_empty() {
            let (sender, message) = (self.index, message.clone());
            return self.in_turn(conn, sender, Mail::Message { conn, sender, message });
        }
        self.send_message_now(conn, message)
    }

    /// The same for a connection of ours, whoever is in the middle of a message.
    pub(crate) fn send_message_now(
        &mut self,
        conn: Conn,
        message: &Outgoing,
    ) -> Result<Queued, CallError> {
        let queued = self.on_live(conn, |slot, env| slot.conn.send_message(message, env))?;
        self.counters.count_out_one(message.opcode(), queued != Queued::Dropped);
        Ok(queued)
    }

    /// Keeps the message beyond its callback as an outgoing message with FIN. No copy when it lies
    /// whole in a receive buffer and not too many are kept, or is large: the memory is used again
    /// when the last clone is dropped, on whatever thread.
    pub fn retain(&mut self, message: &Message<'_>) -> Outgoing {
        match self.source.keep(message.payload) {
            Some(shared) => {
                self.counters.retained.add(1);
                Outgoing::of(message.opcode, shared)
            }
            None => {
                self.counters.retain_copied.add(1);
                Outgoing::copied(message.opcode, message.payload)
            }
        }
    }

    /// Begins the closing handshake: no more data may be sent; what the peer has sent before its
    /// Close is still delivered. [`CloseCode::NO_STATUS`] and no reason make an empty frame.
    ///
    /// # Errors
    /// [`SendError::Sequence`] for a code that must not be sent, [`SendError::TooBig`] for a reason
    /// over 123 bytes, [`SendError::Closing`] when it has begun already, and as [`Context::send`].
    pub fn close(&mut self, conn: Conn, code: CloseCode, reason: &str) -> Result<(), CallError> {
        self.close_for(Cause::Close, conn, code, reason)
    }

    /// The same, for whatever reason.
    pub(crate) fn close_for(
        &mut self,
        cause: Cause,
        conn: Conn,
        code: CloseCode,
        reason: &str,
    ) -> Result<(), CallError> {
        if self.is_foreign(conn) {
            let (sender, reason) = (self.index, reason.into());
            return self.forward(conn, Mail::Close { conn, sender, cause, code, reason });
        }
        if !self.post.lines.is_empty() {
            let (sender, reason) = (self.index, reason.into());
            let mail = Mail::Close { conn, sender, cause, code, reason };
            return self.in_turn(conn, sender, mail).map(|_| ());
        }
        self.close_now(cause, conn, code, reason)
    }

    /// The same for a connection of ours, whoever is in the middle of a message.
    pub(crate) fn close_now(
        &mut self,
        cause: Cause,
        conn: Conn,
        code: CloseCode,
        reason: &str,
    ) -> Result<(), CallError> {
        self.on_live(conn, |slot, env| {
            slot.conn.close_for(cause, code, reason, env)?;
            slot.quit = true;
            Ok(())
        })
    }

    /// Ends the connection without a handshake; `on_close` follows when this callback has
    /// returned.
    ///
    /// # Errors
    /// [`CallError::Gone`] for a stale handle.
    pub fn abort(&mut self, conn: Conn) -> Result<(), CallError> {
        if self.is_foreign(conn) {
            return self.forward(conn, Mail::Abort { conn });
        }
        self.on_live(conn, |slot, _| {
            (slot.abort, slot.quit) = (true, true);
            slot.ends_by = EndsBy::Application;
            Ok(())
        })
    }

    /// No `on_message` until [`Context::resume`]; the socket is not read, so the peer is held back
    /// by TCP. Pings are not answered meanwhile.
    ///
    /// # Errors
    /// [`CallError::Gone`] for a stale handle.
    pub fn pause(&mut self, conn: Conn) -> Result<(), CallError> {
        self.set_paused(conn, true)
    }

    /// Reads again.
    ///
    /// # Errors
    /// [`CallError::Gone`] for a stale handle.
    pub fn resume(&mut self, conn: Conn) -> Result<(), CallError> {
        self.set_paused(conn, false)
    }

    /// Bytes queued and not yet sent, also those that wait for the end of somebody's message; 0 for
    /// a stale handle or one of another reactor. What is being sent counts until the kernel has
    /// taken all of it: that is a batch, of 256 KiB or one longer message, and at most 1 MiB.
    pub fn buffered(&mut self, conn: Conn) -> usize {
        self.read_own_mail();
        self.queued(conn)
    }

    pub(crate) fn queued(&self, conn: Conn) -> usize {
        let written = if conn == self.batch.written { self.batch.writer.len() } else { 0 };
        let waiting = self.post.lines.bytes(conn);
        self.slot(conn).map_or(0, |slot| slot.conn.buffered() + written + waiting)
    }

    /// The peer's address; `None` on a Unix socket, for a stale handle or one of another reactor.
    pub fn peer(&self, conn: Conn) -> Option<SocketAddr> {
        self.slot(conn).and_then(|slot| slot.peer.get())
    }

    /// On a Unix socket, the process that has connected, as it was then. `None` elsewhere, if its
    /// proxy has told of somebody else, and as [`Context::peer`].
    pub fn credentials(&self, conn: Conn) -> Option<Credentials> {
        self.slot(conn).and_then(|slot| slot.peer.credentials())
    }

    /// Between the last Ping of the engine and its Pong, in microseconds, to a thousandth; 0 while
    /// none was answered, for a stale handle and for one of another reactor. See
    /// [`Limits::ping_interval_ms`](crate::conn::Limits).
    pub fn rtt_us(&self, conn: Conn) -> u32 {
        self.slot(conn).map_or(0, |slot| slot.conn.rtt_us())
    }

    /// The connection's user word; `None` for a stale handle or one of another reactor. Valid
    /// until `on_close` returns.
    pub fn user(&self, conn: Conn) -> Option<usize> {
        self.slot(conn).map(|slot| slot.user)
    }

    /// What the server answered to our upgrade request. Inside `on_open` of a connection that we
    /// made; `None` elsewhere.
    pub fn answer_of(&self, conn: Conn) -> Option<&Answer<'static>> {
        self.answer.as_ref().filter(|(of, _)| *of == conn).map(|(_, answer)| answer)
    }

    /// Changes the connection's user word.
    ///
    /// # Errors
    /// [`CallError::Gone`] for a stale handle.
    pub fn set_user(&mut self, conn: Conn, user: usize) -> Result<(), CallError> {
        if self.is_foreign(conn) {
            return self.forward(conn, Mail::SetUser { conn, user });
        }
        self.slab.live(conn).ok_or(CallError::Gone)?.user = user;
        if conn == self.batch.conn {
            self.batch.user = user;
        }
        Ok(())
    }

    /// The engine, for other threads.
    pub fn engine(&self) -> &Handle {
        &self.post.handle
    }

    /// The reactor's number, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The reactor's own user word.
    pub fn reactor_user(&self) -> usize {
        self.user
    }

    /// Changes it.
    pub fn set_reactor_user(&mut self, user: usize) {
        self.user = user;
    }

    /// Puts a slot on the list of those to reconcile.
    #[inline]
    pub(crate) fn mark_dirty(&mut self, index: u32) {
        let slot = self.slab.at(index);
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(index);
        }
    }

    pub(crate) fn slot(&self, conn: Conn) -> Option<&Slot> {
        if self.is_foreign(conn) {
            return None;
        }
        self.slab.by_conn(conn)
    }

    pub(crate) fn is_foreign(&self, conn: Conn) -> bool {
        conn.reactor() != self.index
    }

    pub(crate) fn set_paused(&mut self, conn: Conn, paused: bool) -> Result<(), CallError> {
        if self.is_foreign(conn) {
            return self.forward(conn, Mail::Pause { conn, paused });
        }
        let succession = &mut self.succession;
        let slot = self.slab.live(conn).filter(|_| succession.parting.is_some());
        if slot.is_some() && succession.set_paused(conn.slot(), paused) {
            return Ok(());
        }
        self.on_live(conn, |slot, env| {
            slot.conn.set_paused(paused, env.now);
            Ok(())
        })
    }

    /// Runs a call on an open connection and puts it on the dirty list if it was taken.
    pub(crate) fn on_live<T>(
        &mut self,
        conn: Conn,
        call: impl FnOnce(&mut Slot, &mut Env<'_>) -> Result<T, SendError>,
    ) -> Result<T, CallError> {
        self.on_source(conn, |slot, env, _| call(slot, env))
    }

    /// The same, beside what is under delivery.
    fn on_source<T>(
        &mut self,
        conn: Conn,
        call: impl FnOnce(&mut Slot, &mut Env<'_>, &mut Source) -> Result<T, SendError>,
    ) -> Result<T, CallError> {
        self.read_own_mail();
        if conn == self.batch.written {
            self.close_writer();
        }
        let slot = self.slab.live(conn).ok_or(CallError::Gone)?;
        let limits = self.limits.of(slot.endpoint);
        let (pool, tools) = (&mut self.pool, &mut self.tools);
        let mut env = Env { now: self.served.now, limits, pool, tools, copied: &mut 0 };
        let done = call(slot, &mut env, &mut self.source);
        if conn == self.batch.conn {
            self.batch.stopped = slot.conn.reading() != Reading::Deliver || slot.abort;
        }
        // What is refused changes nothing, unless a policy has ended the connection for it.
        if done.is_err() && done.as_ref().err() != Some(&SendError::Closing) {
            return done.map_err(CallError::from);
        }
        if !slot.dirty {
            slot.dirty = true;
            self.dirty.push(conn.slot());
        }
        Ok(done?)
    }
}

impl<'b> Messages<'b> {
    /// The next one; none when the application has stopped them.
    #[inline(always)]
    pub fn next(&mut self, ctx: &Context) -> Option<Message<'b>> {
        if ctx.batch.stopped {
            return None;
        }
        let (opcode, payload) = self.batch.next()?;
        Some(Message { opcode, payload, first: true, last: true, user: ctx.batch.user })
    }
}
