//! What a connection has joined, and who of the members of topics is behind, and reads.

use super::behind::{Replay, Stand};
use super::mail::NOWHERE;
use super::name::Conn;
use super::topics::{Change, Membership, Name, Topics};
use crate::ring::Token;
use std::sync::Arc;

impl Topics {
    /// The names of what a connection has joined.
    pub(crate) fn joined_by(&mut self, conn: Conn) -> Vec<Name> {
        let memberships = self.joined.get(&conn).map_or(&[][..], |list| list);
        let name = |of: &Membership| Some(Arc::clone(&self.topics.at(of.topic)?.name));
        memberships.iter().filter_map(name).collect()
    }

    /// Whether a connection is a member of a topic.
    pub(crate) fn is_member(&self, conn: Conn, topic: Token) -> bool {
        let joined = self.joined.get(&conn).map_or(&[][..], |list| list);
        self.topics.get(topic).is_some() && joined.iter().any(|of| of.topic == topic.slot)
    }

    /// Whether a connection reads one.
    pub(crate) fn is_replaying(&self, conn: Conn) -> bool {
        self.readers > 0 && !self.replays_of(conn).is_empty()
    }

    /// Whether anybody reads a history.
    #[inline]
    pub(crate) fn are_replaying(&self) -> bool {
        self.readers > 0
    }

    /// Whether a topic has members that are behind.
    #[inline]
    pub(crate) fn has_behind(&self, topic: Token) -> bool {
        self.topics.get(topic).is_some_and(|topic| !topic.behind.is_empty())
    }

    /// Whether what has that place is not for a member, since it reads it, or has read it.
    pub(crate) fn is_behind(&self, topic: Token, conn: Conn, place: u64) -> bool {
        match self.topics.get(topic).and_then(|topic| topic.behind.get(&conn)) {
            None => false,
            Some(Stand::Reads(_)) => place != NOWHERE,
            Some(Stand::From(from)) => place < *from,
        }
    }

    /// A member begins to read. It does so when its turn comes.
    pub(crate) fn begin_replay(&mut self, conn: Conn, name: &[u8], replay: Replay) {
        let Some(&topic) = self.names.get(name) else { return };
        self.stand(topic, conn, Stand::Reads(replay));
        self.due.push((topic, conn));
    }

    /// A member that reads, its topic and how far it is.
    pub(crate) fn replay(&self, topic: Token, conn: Conn) -> Option<(&Name, &Replay)> {
        let topic = self.topics.get(topic)?;
        match topic.behind.get(&conn)? {
            Stand::Reads(replay) => Some((&topic.name, replay)),
            Stand::From(_) => None,
        }
    }

    /// It has read on.
    pub(crate) fn replay_mut(&mut self, topic: Token, conn: Conn) -> Option<&mut Replay> {
        match self.topics.get_mut(topic)?.behind.get_mut(&conn)? {
            Stand::Reads(replay) => Some(replay),
            Stand::From(_) => None,
        }
    }

    /// Where a member stands now.
    pub(crate) fn stand(&mut self, topic: Token, conn: Conn, stand: Stand) {
        let Some(of) = self.topics.get_mut(topic) else { return };
        let reads = |stand: &Stand| usize::from(matches!(stand, Stand::Reads(_)));
        self.readers += reads(&stand);
        self.readers -= of.behind.insert(conn, stand).as_ref().map_or(0, reads);
    }

    /// What has that place has come to the members of a topic: nothing before it will. Who reads.
    pub(crate) fn passed(&mut self, topic: Token, place: u64) -> Vec<Conn> {
        let Some(topic) = self.topics.get_mut(topic) else { return Vec::new() };
        if place != NOWHERE {
            topic.behind.retain(|_, stand| !matches!(stand, Stand::From(from) if *from <= place));
        }
        let reads =
            |(conn, stand): (&Conn, &Stand)| matches!(stand, Stand::Reads(_)).then_some(*conn);
        topic.behind.iter().filter_map(reads).collect()
    }

    /// A member has come too late for something.
    pub(crate) fn note_late(&mut self, topic: Token, conn: Conn) {
        let reports = self.reports.late;
        if let Some(topic) = self.topics.get(topic).filter(|_| reports) {
            self.changes.push_back((Arc::clone(&topic.name), Change::Late(conn)));
        }
    }

    /// The topics whose history a connection reads.
    pub(crate) fn replays_of(&self, conn: Conn) -> Vec<Token> {
        let joined = self.joined.get(&conn).map_or(&[][..], |list| list);
        let all = joined.iter().map(|of| self.topics.name(of.topic));
        all.filter(|topic| self.replay(*topic, conn).is_some()).collect()
    }

    /// Who is to read on in the next turn.
    pub(crate) fn read_later(&mut self, topic: Token, conn: Conn) {
        self.due.push((topic, conn));
    }

    /// Whether anybody is.
    #[inline]
    pub(crate) fn are_due(&self) -> bool {
        !self.due.is_empty()
    }

    pub(crate) fn take_due(&mut self) -> Vec<(Token, Conn)> {
        std::mem::take(&mut self.due)
    }
}
