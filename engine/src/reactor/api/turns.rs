//! Mail that has come, and whose turn it is to send.
//!
//! The frames of a message that is sent in fragments must not be mixed with other messages
//! (RFC 6455 §5.4). A message belongs to the sender that began it: to a thread, or to a reactor's
//! callbacks, which are one sender. Until it has ended, what others send to the connection waits in
//! line beside it, each sender's in its order, and goes on behind it. Control frames do not wait.

use crate::conn::{Cause, Queued, SendError};
use crate::memory::Outgoing;
use crate::proto::{CloseCode, Opcode};
use crate::reactor::api::contract::{Context, Mail};
use crate::reactor::core::lines::Line;
use crate::reactor::core::mail::{PUBLISHERS, Sender};
use crate::reactor::core::name::{CallError, Conn};
use crate::ring::Token;
use std::collections::VecDeque;

impl Context {
    /// Carries out what this thread has asked for before.
    #[inline]
    pub(crate) fn read_own_mail(&mut self) {
        if self.post.own.mail.has_some() {
            self.take_own_mail();
        }
    }

    #[cold]
    fn take_own_mail(&mut self) {
        // What is published to many leaves the rest of it to be done.
        while self.post.own.mail.has_some() {
            let mut mails = VecDeque::new();
            self.post.own.mail.take(&mut mails);
            for mail in mails {
                self.deliver_mail(mail);
            }
        }
    }

    /// Carries out what another thread asked for, or this one through the engine's handle.
    pub(crate) fn deliver_mail(&mut self, mail: Mail) {
        let (conn, done) = match mail {
            Mail::Frame { conn, sender, .. }
            | Mail::Message { conn, sender, .. }
            | Mail::Close { conn, sender, .. } => return self.deliver_frame(conn, sender, mail),
            Mail::Latest { conn, latest } => {
                let (key, message) = *latest;
                return self.deliver_latest(conn, key, &message);
            }
            Mail::Abort { conn } => (conn, self.abort(conn)),
            Mail::Pause { conn, paused } => (conn, self.set_paused(conn, paused)),
            Mail::SetUser { conn, user } => (conn, self.set_user(conn, user)),
            Mail::Connect(dial, target) => return self.dials.wanted.push_back((dial, target)),
            Mail::Adopt(adoptee) => return self.adoptees.push_back(adoptee),
            Mail::CancelConnect(dial) => {
                if self.cancel_connect(dial).is_err() {
                    self.counters.forward_dropped.add(1);
                }
                return;
            }
            Mail::Resolved { dial, found } => return self.dials.found.push((dial, found)),
            Mail::Job(job) => return job(self),
            Mail::Publish(topic, what) => {
                if self.publish_all(&topic, &what).is_err() {
                    self.counters.forward_dropped.add(1);
                }
                return;
            }
            Mail::Published(topic, what) => return self.deliver_published(topic, &what),
            Mail::Unfinished(topic, what, first) => return self.deliver_rest(topic, &what, first),
            // Reported by the turn: no callback comes before another has returned.
            Mail::Missing(topic, gap) => return self.topics.note_gap(topic, *gap),
        };
        if done.is_err() {
            self.mail_lost(conn, false);
        }
    }

    fn deliver_frame(&mut self, conn: Conn, sender: Sender, mail: Mail) {
        let (bytes, goes_on) = (mail.payload_len(), self.goes_on(conn, sender, &mail));
        if self.in_turn(conn, sender, mail).is_err() {
            self.mail_lost(conn, goes_on);
        }
        self.has_taken(conn, bytes);
    }

    /// It waits for the end of a message beside the queue.
    fn deliver_latest(&mut self, conn: Conn, key: u64, message: &Outgoing) {
        if self.send_latest(conn, key, message).is_err() {
            self.mail_lost(conn, false);
        }
        self.has_taken(conn, message.payload().len());
    }

    /// So many bytes to be sent are mail no more.
    fn has_taken(&mut self, conn: Conn, bytes: usize) {
        if let Some(slot) = self.slab.live(conn) {
            slot.mailed = true;
            self.tell_queued(conn);
        }
        // Last, so that who reads meanwhile sees too much rather than too little.
        if let Some(gauge) = self.post.handle.gauges(self.index).get(conn) {
            gauge.taken(bytes);
        }
    }

    /// Sends what may go now; what may not waits.
    ///
    /// # Errors
    /// As the call itself. [`SendError::Full`] also when too much waits.
    pub(crate) fn in_turn(
        &mut self,
        conn: Conn,
        sender: Sender,
        mail: Mail,
    ) -> Result<Queued, CallError> {
        self.read_own_mail();
        if self.must_wait(conn, sender, &mail) {
            return self.wait_in_line(conn, sender, mail);
        }
        let opcode = mail.opcode();
        if opcode == Some(Opcode::Continuation)
            && self.in_message(conn)
            && self.speaker(conn) != sender
        {
            return Err(SendError::Sequence.into());
        }
        let done = self.carry_out(mail);
        if done.is_ok() && opcode.is_some_and(|opcode| !opcode.is_control()) {
            self.has_spoken(conn, sender);
        }
        done
    }

    /// Whether the connection is in the middle of somebody else's message, or the sender waits
    /// already. A Close cuts a message off unless the sender's own messages wait.
    fn must_wait(&self, conn: Conn, sender: Sender, mail: &Mail) -> bool {
        let opcode = mail.opcode();
        let turns_come = self.slab.by_conn(conn).is_some_and(|slot| slot.conn.takes_messages());
        if !turns_come || opcode.is_some_and(Opcode::is_control) {
            return false;
        }
        if self.post.lines.0.get(&conn).is_some_and(|line| line.waits(sender)) {
            return true;
        }
        matches!(opcode, Some(Opcode::Text | Opcode::Binary))
            && self.in_message(conn)
            && self.speaker(conn) != sender
    }

    /// Whether `mail` goes on with a message of its sender, so that losing it would spoil that.
    fn goes_on(&self, conn: Conn, sender: Sender, mail: &Mail) -> bool {
        let waits = || self.post.lines.0.get(&conn).is_some_and(|line| line.waits(sender));
        let speaks = || self.in_message(conn) && self.speaker(conn) == sender;
        mail.opcode() == Some(Opcode::Continuation) && (waits() || speaks())
    }

    fn in_message(&self, conn: Conn) -> bool {
        self.slab.by_conn(conn).is_some_and(|slot| slot.conn.in_message())
    }

    /// Whose message it is in the middle of.
    fn speaker(&self, conn: Conn) -> Sender {
        self.post.lines.0.get(&conn).map_or(self.index, |line| line.speaker)
    }

    fn wait_in_line(
        &mut self,
        conn: Conn,
        sender: Sender,
        mail: Mail,
    ) -> Result<Queued, CallError> {
        let slot = self.slab.live(conn).ok_or(CallError::Gone)?;
        let max = slot.conn.limits(self.limits.of(slot.endpoint)).send_queue_max as usize;
        let line = self.post.lines.0.entry(conn).or_insert_with(|| Line::new(self.index));
        if slot.conn.buffered() + line.bytes > max {
            let whole = mail.is_whole_message();
            return self.on_live(conn, |slot, env| slot.conn.full_in_line(whole, env));
        }
        line.push(sender, mail);
        if slot.conn.buffered() + line.bytes > max {
            slot.conn.told_full();
            return Ok(Queued::Full);
        }
        Ok(Queued::Ok)
    }

    /// A frame of `sender` was sent: notes whose message it is, or lets others go on.
    fn has_spoken(&mut self, conn: Conn, sender: Sender) {
        if self.in_message(conn) {
            if sender != self.index || self.post.lines.0.contains_key(&conn) {
                self.post.lines.0.entry(conn).or_insert_with(|| Line::new(sender)).speaker = sender;
            }
        } else if !self.post.lines.is_empty() {
            self.let_go_on(conn);
        }
    }

    fn let_go_on(&mut self, conn: Conn) {
        let Some(mut line) = self.post.lines.0.remove(&conn) else { return };
        loop {
            let speaker = self.in_message(conn).then_some(line.speaker);
            let Some((sender, mail)) = line.pop(speaker) else { break };
            let goes_on = speaker.is_some() && mail.opcode() == Some(Opcode::Continuation);
            if self.carry_out(mail).is_ok() {
                line.speaker = sender;
            } else if sender == PUBLISHERS {
                self.count_lost(conn, (1, 0));
            } else {
                self.mail_lost(conn, goes_on);
            }
        }
        if self.in_message(conn) {
            self.post.lines.0.insert(conn, line);
        }
    }

    fn carry_out(&mut self, mail: Mail) -> Result<Queued, CallError> {
        match mail {
            Mail::Frame { conn, opcode, payload, flags, .. } => {
                self.send_now(conn, opcode, &payload, flags)
            }
            Mail::Message { conn, message, .. } => self.send_message_now(conn, &message),
            Mail::Close { conn, cause, code, reason, .. } => {
                self.close_now(cause, conn, code, &reason).map(|()| Queued::Ok)
            }
            _ => Ok(Queued::Ok),
        }
    }

    /// What was handed over was not carried out. A message that lacks one of its fragments must not
    /// pass for whole: its connection is closed.
    fn mail_lost(&mut self, conn: Conn, goes_on: bool) {
        self.count_lost(conn, (0, 1));
        if goes_on {
            // Refused only where it is being closed already.
            let _ = self.on_live(conn, |slot, env| {
                slot.conn.close_for(Cause::Fragment, CloseCode(1011), "", env)
            });
        }
    }

    /// So much of what was published and of what was handed over did not get into its queue.
    pub(crate) fn count_lost(&mut self, conn: Conn, (published, mails): (usize, usize)) {
        self.counters.publish_dropped.add(published as u64);
        self.counters.forward_dropped.add(mails as u64);
        let token = Token { slot: conn.slot(), generation: conn.generation() };
        if let Some(slot) = self.slab.by_token(token) {
            slot.count_mail_dropped(published + mails);
        }
    }

    /// The connection has ended: nobody's turn will come.
    #[inline]
    pub(crate) fn end_line(&mut self, conn: Conn) {
        if !self.post.lines.is_empty()
            && let Some(line) = self.post.lines.0.remove(&conn)
        {
            self.count_lost(conn, line.waiting(PUBLISHERS));
        }
        if self.slab.at(conn.slot()).mailed
            && let Some(gauge) = self.post.handle.gauges(self.index).get(conn)
        {
            gauge.publish(conn, 0);
        }
    }

    /// Tells those who feed the connection from elsewhere how much it has queued.
    #[cold]
    pub(crate) fn tell_queued(&mut self, conn: Conn) {
        let bytes = self.queued(conn);
        if let Some(gauge) = self.post.handle.gauges(self.index).get(conn) {
            gauge.publish(conn, bytes);
        }
    }

    /// Hands a call for a connection of another reactor over.
    pub(crate) fn forward(&mut self, conn: Conn, mail: Mail) -> Result<(), CallError> {
        if self.post.handle.push(conn, mail)? {
            self.post.to_wake.push(conn.reactor());
        }
        Ok(())
    }
}
