//! Members of topics that go to another process, and come from one, and what is published there.

use crate::memory::Outgoing;
use crate::reactor::api::contract::{Context, Handle};
use crate::reactor::core::carried::CarriedTopic;
use crate::reactor::core::crossing::{Crossings, From, Missed};
use crate::reactor::core::mail::{Manner, Publication};
use crate::reactor::core::name::{CallError, Conn};
use crate::reactor::core::seam::Seam;
use std::sync::Arc;

impl Handle {
    /// What goes to other processes.
    pub(crate) fn crossings(&self) -> &Crossings {
        &self.0.directory.crossings
    }

    /// A lane to another process begins, whose bus brings it topics whose names begin so.
    pub(crate) fn begin_crossing(&self, bus: Option<Box<[u8]>>) -> u64 {
        self.0.directory.begin_crossing(bus)
    }

    /// How the names of topics begin that the bus brings here, if there is one.
    pub(crate) fn bus_prefix(&self) -> Option<&[u8]> {
        self.0.directory.bus.get().map(|bus| bus.prefix())
    }

    /// What was published in another process, to members here as if it were here.
    ///
    /// # Errors
    /// [`CallError::MailboxFull`] and [`CallError::BusFull`]: it is to be tried again.
    pub(crate) fn publish_crossed(
        &self,
        from: From,
        topic: &[u8],
        message: &Outgoing,
        manner: Manner,
    ) -> Result<(), CallError> {
        let except = self.crossings().who_was(from.lane, from.except);
        let what = Arc::new(Publication::new(message, except, manner));
        let checked = self.check(topic, message, manner);
        match checked.and_then(|()| self.put_from(Some(from), topic, &what, |_| false)) {
            Ok(placed) => self.wake_for(&placed),
            Err(full @ (CallError::MailboxFull | CallError::BusFull)) => return Err(full),
            // Less is allowed here than there, so that nobody here waits for it.
            Err(_) => self.crossings().pass_over(from.lane),
        }
        Ok(())
    }
}

impl Context {
    /// What a connection is a member of, which is about to leave. If it has nothing to be sent
    /// before this and behind it, it has heard all before that and nothing behind it: of each topic
    /// that comes from a bus, and of all others.
    pub(crate) fn heard_by(&mut self, conn: Conn, lane: u64) -> (Vec<CarriedTopic>, Option<Seam>) {
        let names = self.topics.joined_by(conn);
        let carried = names.into_iter().map(|name| {
            let is_on_bus = self.is_on_bus(&name);
            let position = is_on_bus.then(|| self.position(conn, &name).ok().flatten()).flatten();
            CarriedTopic { name: (*name).into(), position: position.map(Into::into) }
        });
        let topics = carried.collect();
        self.read_own_mail();
        let handle = self.post.handle.clone();
        let (inbox, mailbox) = (&mut self.post.inbox, &handle.0.mailboxes[self.index as usize]);
        let seam = handle.crossings().cut(lane, || inbox.take(mailbox));
        self.deliver_before_publishing();
        self.read_own_mail();
        (topics, seam.map(|seam| Seam { was: conn.to_bits(), ..seam }))
    }

    fn is_on_bus(&self, topic: &[u8]) -> bool {
        let directory = &self.post.handle.0.directory;
        directory.bus.get().is_some_and(|bus| bus.carries(topic))
    }

    /// A connection goes on as a member where it has left off in another process, or here. It gets
    /// what it has missed, and is told where that is not known or not kept.
    pub(crate) fn join_again(&mut self, conn: Conn, topics: &[CarriedTopic], seam: Option<Seam>) {
        let lane = seam.as_ref().map(|seam| seam.lane);
        // What comes while it joins one after the other is among what it has missed.
        self.topics.arriving = conn;
        let mut late = Vec::new();
        for CarriedTopic { name, position } in topics {
            let joined = match position {
                Some(position) => self.join_from(conn, name, position.as_bytes()).map(|resumed| {
                    // Counted in there.
                    self.note_late(conn, name, resumed == crate::reactor::Resumed::TooLate);
                }),
                None => self.join(conn, name).map(|_| {
                    let is_on_ours = self.is_on_bus(name);
                    let crossings = self.post.handle.crossings();
                    if lane.is_some_and(|lane| crossings.is_on_a_bus(lane, name, is_on_ours)) {
                        late.push(name);
                    }
                }),
            };
            // Refused where less is allowed here than there.
            let _ = joined;
        }
        let missed = seam.map(|seam| self.missed(&seam, conn));
        self.topics.arriving = Conn::NONE;
        let Some(Missed { all, is_whole }) = missed else { return };
        for (name, what) in &all {
            if let Some(topic) = self.topics.name_of(name)
                && self.topics.is_member(conn, topic)
            {
                self.deliver_one(topic, conn, what);
            }
        }
        if !is_whole {
            late = topics.iter().map(|topic| &topic.name).collect();
        }
        for name in late {
            self.counters.history_late.add(1);
            self.note_late(conn, name, true);
        }
    }

    fn missed(&mut self, seam: &Seam, conn: Conn) -> Missed {
        self.read_own_mail();
        let handle = self.post.handle.clone();
        let (inbox, mailbox) = (&mut self.post.inbox, &handle.0.mailboxes[self.index as usize]);
        let missed = handle.crossings().missed(seam, conn, || inbox.take(mailbox));
        self.deliver_before_publishing();
        self.read_own_mail();
        missed
    }

    fn note_late(&mut self, conn: Conn, topic: &[u8], is_late: bool) {
        if let Some(topic) = self.topics.name_of(topic).filter(|_| is_late) {
            self.topics.note_late(topic, conn);
        }
    }
}
