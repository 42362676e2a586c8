//! Topics: who joins, who leaves, what is published to all that have joined.
//!
//! A publish puts one mail into the mailbox of each other reactor that has members, under the lock
//! of the topic, and then delivers to the members here. What others have published on the topic
//! before lies in our mailbox by then, and is delivered first: so the members of all reactors get
//! the same in the same order, and a publish is done when the call returns.

use crate::conn::{SendError, WhenFull};
use crate::memory::Outgoing;
use crate::reactor::api::contract::{Context, Mail};
use crate::reactor::core::mail::{Manner, PUBLISHERS, Publication};
use crate::reactor::core::name::{CallError, Conn, TopicError};
use crate::reactor::core::topics::{Joined, Left};
use crate::ring::Token;
use std::ops::Range;
use std::sync::Arc;

impl Context {
    /// Makes a connection of this reactor a member of a topic, until it leaves or ends: it gets
    /// what is published from now on. `false` if it was one already, which changes nothing.
    ///
    /// # Errors
    /// [`CallError::Topic`] for a name that is empty or too long, for a connection that is in too
    /// many topics or of another reactor; [`CallError::Gone`] for a stale handle.
    pub fn join(&mut self, conn: Conn, topic: &[u8]) -> Result<bool, CallError> {
        let directory = &self.post.handle.0.directory;
        directory.check(topic)?;
        let most = directory.limits.topics_max as usize;
        self.must_be_here(conn)?;
        // What is published before does not concern it, by whomever.
        self.read_own_mail();
        self.catch_up_on(topic);
        if !self.slab.live(conn).is_some_and(|slot| slot.conn.opened()) {
            return Err(CallError::Gone);
        }
        let joined = self.topics.join(conn, topic, most)?;
        let is_new = !matches!(joined, Joined::Before);
        if let Joined::First(begun) = joined {
            self.post.handle.0.directory.begin(self.index, begun);
            self.counters.topics.set(self.topics.count() as u64);
        }
        Ok(is_new)
    }

    /// Ends that. `false` if it was no member.
    ///
    /// # Errors
    /// [`CallError::Topic`] for a connection of another reactor, [`CallError::Gone`] for a stale
    /// handle.
    pub fn leave(&mut self, conn: Conn, topic: &[u8]) -> Result<bool, CallError> {
        self.must_be_here(conn)?;
        // What is published before does, by whomever.
        self.read_own_mail();
        self.catch_up_on(topic);
        self.slab.live(conn).ok_or(CallError::Gone)?;
        let left = self.topics.leave(conn, topic);
        if let Left::Last(name) = &left {
            self.post.handle.0.directory.end(self.index, name);
            self.counters.topics.set(self.topics.count() as u64);
        }
        Ok(left != Left::Never)
    }

    /// Sends a message to all members of a topic, on whatever reactor, but `except`. All members
    /// get what is published on a topic in one order, whoever publishes. A member that refuses it,
    /// as [`Context::send_message`] would say, does without: [`Stats::publish_dropped`] counts
    /// that, and so does its `Closed::dropped`; one that is closing already is passed over, which
    /// [`Stats::publish_closing`] counts. A member in the middle of a message that is sent in
    /// fragments gets it behind that.
    ///
    /// [`Stats::publish_dropped`]: crate::reactor::Stats::publish_dropped
    /// [`Stats::publish_closing`]: crate::reactor::Stats::publish_closing
    ///
    /// # Errors
    /// [`CallError::Topic`] for a name that is empty or too long; [`CallError::Send`] for a
    /// fragment, a Close, or what is too large for its kind; [`CallError::MailboxFull`] when too
    /// much waits for one of the reactors that have members, or for another process while that
    /// succeeds this one or is succeeded by it, [`CallError::BusFull`] when it does
    /// for other machines. Nobody gets it then: try later.
    pub fn publish(
        &mut self,
        topic: &[u8],
        message: &Outgoing,
        except: Option<Conn>,
    ) -> Result<(), CallError> {
        self.publish_in(topic, message, except, Manner::Queued)
    }

    /// The same; for members whose queue has no room for it, this says what is done, in the place
    /// of what they have themselves for that. Behind somebody's message in fragments a member's own
    /// applies.
    ///
    /// # Errors
    /// As [`Context::publish`].
    pub fn publish_by(
        &mut self,
        topic: &[u8],
        message: &Outgoing,
        except: Option<Conn>,
        when_full: WhenFull,
    ) -> Result<(), CallError> {
        self.publish_in(topic, message, except, Manner::By(when_full))
    }

    /// The same as [`Context::publish`], in the place of the message of that key, of this topic,
    /// that waits for a member, as [`Context::send_latest`] has it. Not in one order with what is
    /// published otherwise.
    ///
    /// # Errors
    /// As [`Context::publish`]; [`SendError::Sequence`] also for what is neither Text nor Binary.
    pub fn publish_latest(
        &mut self,
        topic: &[u8],
        key: u64,
        message: &Outgoing,
        except: Option<Conn>,
    ) -> Result<(), CallError> {
        self.publish_in(topic, message, except, Manner::Latest(key))
    }

    fn publish_in(
        &mut self,
        topic: &[u8],
        message: &Outgoing,
        except: Option<Conn>,
        manner: Manner,
    ) -> Result<(), CallError> {
        self.post.handle.check(topic, message, manner)?;
        self.publish_all(topic, &Arc::new(Publication::new(message, except, manner)))
    }

    /// The same, of what was checked.
    pub(crate) fn publish_all(
        &mut self,
        topic: &[u8],
        what: &Arc<Publication>,
    ) -> Result<(), CallError> {
        let handle = self.post.handle.clone();
        self.read_own_mail();
        let mailbox = &handle.0.mailboxes[self.index as usize];
        let (here, inbox) = (self.index, &mut self.post.inbox);
        let mut ours = None;
        let placed = handle.put_in_order(topic, what, |interest| {
            let is_ours = interest.reactor == here;
            if is_ours {
                // All of it that is for us and before this: later ones stay in the mailbox.
                inbox.take(mailbox);
                ours = Some(interest.topic);
            }
            is_ours
        })?;
        self.post.to_wake.extend(placed.wake.iter());
        self.post.wakes_bus |= placed.wakes_bus;
        if let Some(topic) = ours {
            self.deliver_before_publishing();
            self.deliver_published(topic, &placed.what);
        }
        Ok(())
    }

    /// What was published on a topic until now, and lies in the mailbox, goes to the members that
    /// it has now.
    pub(crate) fn catch_up_on(&mut self, topic: &[u8]) {
        if self.topics.members(topic) > 0 {
            let mailbox = &self.post.handle.0.mailboxes[self.index as usize];
            self.post.inbox.take(mailbox);
            self.deliver_before_publishing();
        }
    }

    /// The same on all topics, and whatever other threads have asked for before that.
    pub(crate) fn catch_up(&mut self) {
        self.read_own_mail();
        let mailbox = &self.post.handle.0.mailboxes[self.index as usize];
        self.post.inbox.take(mailbox);
        while let Some(mail) = self.post.inbox.pop_what_runs() {
            self.deliver_mail(mail);
        }
        self.read_own_mail();
    }

    pub(crate) fn deliver_before_publishing(&mut self) {
        while let Some(mail) = self.post.inbox.pop_before_publishing() {
            self.deliver_mail(mail);
        }
    }

    /// How many members a topic has on this reactor.
    pub fn members(&self, topic: &[u8]) -> usize {
        self.topics.members(topic)
    }

    /// Sends what was published to the members here: of many to the first at once, and to the
    /// others once these are the kernel's, but before anything else that they could tell from it.
    pub(crate) fn deliver_published(&mut self, topic: Token, what: &Arc<Publication>) {
        self.read_own_mail();
        let members = self.topics.members_of(topic);
        self.counters.published.add(u64::from(members > 0));
        let first = if members > self.early.many { self.early.first } else { members };
        self.deliver_to(topic, 0..first, what);
        if first < members {
            let rest = Mail::Unfinished(topic, Arc::clone(what), first as u32);
            match self.post.own.put(rest) {
                Ok(()) => self.early.published = true,
                Err(_) => self.deliver_to(topic, first..members, what),
            }
        }
        if self.topics.has_behind(topic) {
            self.replay_behind(topic, what.place());
        }
    }

    /// What was published to the first members is the others' turn.
    pub(crate) fn deliver_rest(&mut self, topic: Token, what: &Publication, first: u32) {
        self.early.published = false;
        self.deliver_to(topic, first as usize..self.topics.members_of(topic), what);
    }

    /// Sends it to the members that have these numbers.
    fn deliver_to(&mut self, topic: Token, numbers: Range<usize>, what: &Publication) {
        let has_behind = self.topics.has_behind(topic);
        let arriving = self.topics.arriving;
        for number in numbers {
            let Some(conn) = self.topics.member_of(topic, number) else { break };
            let passed_over = conn == what.except || conn == arriving;
            if passed_over || has_behind && self.topics.is_behind(topic, conn, what.place()) {
                continue;
            }
            self.deliver_one(topic, conn, what);
        }
    }

    /// Sends it to one of them.
    #[inline]
    pub(crate) fn deliver_one(&mut self, topic: Token, conn: Conn, what: &Publication) {
        let before = self.tools.policed.ended();
        let Publication { message, manner, .. } = what;
        let sent = match *manner {
            Manner::Queued => self.send_message_now(conn, message),
            Manner::By(when_full) => self.send_message_by(conn, message, when_full),
            Manner::Latest(key) => self.send_latest_now(conn, (topic.pack(), key), message),
        };
        let sent = match sent {
            // In the middle of somebody's message.
            Err(CallError::Send(SendError::Sequence)) => {
                let message = message.clone();
                let mail = Mail::Message { conn, sender: PUBLISHERS, message };
                self.in_turn(conn, PUBLISHERS, mail)
            }
            sent => sent,
        };
        if let Err(error) = sent {
            let ends_for_it = self.tools.policed.ended() > before;
            self.count_passed_over(conn, error, ends_for_it);
        }
    }

    /// A member does without what was published. One that is ending is owed nothing any more,
    /// unless it ends for this.
    #[cold]
    fn count_passed_over(&mut self, conn: Conn, error: CallError, ends_for_it: bool) {
        let ending = matches!(error, CallError::Gone | CallError::Send(SendError::Closing));
        match ending && !ends_for_it {
            true => self.counters.publish_closing.add(1),
            false => self.count_lost(conn, (1, 0)),
        }
    }

    /// The connection has ended, and its memberships with it.
    #[inline]
    pub(crate) fn end_memberships(&mut self, conn: Conn) {
        if !self.topics.is_empty() {
            let (directory, index) = (&self.post.handle.0.directory, self.index);
            self.topics.end(conn, |name| directory.end(index, name));
            self.counters.topics.set(self.topics.count() as u64);
        }
    }

    pub(crate) fn must_be_here(&self, conn: Conn) -> Result<(), CallError> {
        match conn.reactor() {
            _ if conn == Conn::NONE => Err(CallError::Gone),
            reactor if reactor == self.index => Ok(()),
            reactor if reactor < self.post.handle.reactors() => Err(TopicError::Elsewhere.into()),
            _ => Err(CallError::Gone),
        }
    }
}
