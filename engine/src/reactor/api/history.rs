//! Members that come back: they get what they have missed, from the history of the topic, and then
//! what is published from there on.
//!
//! A member that comes back is attached first, and then reads. While it reads, what comes to its
//! reactor's mailbox is not for it: that is in the history, too, which thus is the gate, with
//! bounds of its own. It reads no more than its send queue has room for. Once it has come to the
//! end of the history, which is found under the topic's lock, what has a place from there on is
//! for it as for the others.

use crate::bus::{Origin, Position};
use crate::conn::{SendError, WhenFull};
use crate::reactor::api::contract::{Context, Handle};
use crate::reactor::core::behind::{Replay, Stand};
use crate::reactor::core::history::{Clock, History, HistoryRule};
use crate::reactor::core::logs::Unread;
use crate::reactor::core::name::{CallError, Conn, TopicError};
use crate::ring::Token;

/// What has become of a member that has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It gets all that it has missed.
    Complete,
    /// It has come too late, or cannot be proved to be in time: it gets what there is, and does
    /// without the rest.
    TooLate,
    /// It was a member all the time, and goes on as it was.
    Before,
}

impl Context {
    /// As [`Context::join`], for a member that comes back: what was published behind `position` is
    /// sent to it first, in its order, then what is published from now on; none of it twice. It
    /// begins when the callback has returned, and goes on as the connection's queue has room. A
    /// position is what [`Context::position`] has said, on this engine or another one, with the
    /// stamps that came since ([`HistoryRule::stamp`]).
    ///
    /// Should it fall so far behind while it reads that the history has lost something by then,
    /// [`Config::on_late`](crate::config::Config::on_late) is told.
    ///
    /// # Errors
    /// As [`Context::join`]; [`TopicError::Position`] for what is no position.
    pub fn join_from(
        &mut self,
        conn: Conn,
        topic: &[u8],
        position: &[u8],
    ) -> Result<Resumed, CallError> {
        let heard = Position::read(position).map_err(|_| TopicError::Position)?;
        if !self.join(conn, topic)? {
            return Ok(Resumed::Before);
        }
        let unread = self.post.handle.0.directory.unread(topic, &heard);
        if let Some(Unread { place: next, .. }) = unread {
            self.topics.begin_replay(conn, topic, Replay { next, heard });
        }
        match unread.is_some_and(|unread| unread.is_whole) {
            true => {
                self.counters.history_resumed.add(1);
                Ok(Resumed::Complete)
            }
            false => {
                self.counters.history_late.add(1);
                Ok(Resumed::TooLate)
            }
        }
    }

    /// What a member has been sent so far of a topic, for [`Context::join_from`]: what is published
    /// from now on is behind it, and all before it has been queued for the member when this
    /// returns. `None` where there is no history.
    ///
    /// # Errors
    /// [`CallError::Topic`] for a connection of another reactor, or a name that is none.
    pub fn position(&mut self, conn: Conn, topic: &[u8]) -> Result<Option<String>, CallError> {
        self.post.handle.0.directory.check(topic)?;
        self.must_be_here(conn)?;
        self.read_own_mail();
        if let Some(topic) = self.topics.name_of(topic)
            && let Some((_, replay)) = self.topics.replay(topic, conn)
        {
            return Ok(Some(replay.heard.to_string()));
        }
        let handle = self.post.handle.clone();
        let (inbox, mailbox) = (&mut self.post.inbox, &handle.0.mailboxes[self.index as usize]);
        let position = handle.0.directory.position(topic, || inbox.take(mailbox));
        self.deliver_before_publishing();
        Ok(position.map(|position| position.to_string()))
    }

    /// Those whose turn it is to begin, or to go on, read.
    #[cold]
    pub(crate) fn replay_due(&mut self) {
        for (topic, conn) in self.topics.take_due() {
            self.replay(topic, conn);
        }
    }

    /// A connection's queue has got room.
    #[cold]
    pub(crate) fn replay_for(&mut self, conn: Conn) {
        for topic in self.topics.replays_of(conn) {
            self.replay(topic, conn);
        }
    }

    /// Something was published, and has that place: those that read get it from the history.
    #[cold]
    pub(crate) fn replay_behind(&mut self, topic: Token, place: u64) {
        for conn in self.topics.passed(topic, place) {
            self.replay(topic, conn);
        }
    }

    /// Bytes that a connection has room for; `None` when it has to take some of its queue first.
    fn room_of(&mut self, conn: Conn) -> Option<usize> {
        let queued = self.queued(conn);
        let slot = self.slab.live(conn)?;
        let max = slot.conn.limits(self.limits.of(slot.endpoint)).send_queue_max as usize;
        let takes = slot.conn.takes_messages() && !slot.conn.in_message();
        (takes && queued <= max / 2).then(|| max - queued)
    }

    /// A member reads on.
    fn replay(&mut self, topic: Token, conn: Conn) {
        // Lest it come into the middle.
        self.read_own_mail();
        let Some(room) = self.room_of(conn) else { return };
        let Some((name, Replay { next, heard })) = self.topics.replay(topic, conn) else { return };
        let read = self.post.handle.0.directory.read(name, *next, heard, room);
        let Some(read) = read else { return };
        let has_moved = read.next > *next;
        if read.is_late {
            self.counters.history_late.add(1);
            self.topics.note_late(topic, conn);
        }
        let (mut sent, mut next) = (0, read.next);
        for unheard in &read.messages {
            match self.send_message_by(conn, &unheard.what.message, WhenFull::Refuse) {
                Ok(_) => sent += 1,
                Err(CallError::Send(SendError::Full | SendError::Sequence)) => {
                    next = unheard.place;
                    break;
                }
                // It ends.
                Err(_) => return,
            }
        }
        self.counters.history_replayed.add(sent as u64);
        let Some(replay) = self.topics.replay_mut(topic, conn) else { return };
        replay.next = next;
        read.messages[..sent].iter().for_each(|of| replay.heard.note(of.origin, of.seq));
        let is_all = sent == read.messages.len();
        if is_all && read.is_end {
            self.topics.stand(topic, conn, Stand::From(next));
        } else if sent == 0 && is_all && has_moved {
            // There may be more than was looked at; else whoever sends, or publishes, calls again.
            self.topics.read_later(topic, conn);
        }
    }
}

impl Handle {
    /// What has been published on a topic so far, for [`Context::join_from`]: for what is made of
    /// it at that time, by other means. Make it after this. `None` where there is no history.
    ///
    /// # Errors
    /// [`CallError::Topic`] for a name that is none.
    pub fn position(&self, topic: &[u8]) -> Result<Option<String>, CallError> {
        self.0.directory.check(topic)?;
        let position = self.0.directory.position(topic, || ());
        Ok(position.map(|position| position.to_string()))
    }

    /// Topics have a history from now on: before the start, once.
    pub(crate) fn keep_history(
        &self,
        rules: Vec<HistoryRule>,
        bytes_max: usize,
        clock: Clock,
        drawn: impl FnOnce() -> Origin,
    ) {
        let directory = &self.0.directory;
        let origin = *directory.origin.get_or_init(drawn);
        // The engine starts once.
        let _ = directory.history.set(History::new(rules, bytes_max, origin, clock));
    }
}
