//! Who is a member of which topic, on one reactor.
//!
//! The members of a topic lie side by side, so that delivering to them hashes nothing and follows
//! no list; the order among them is nobody's promise. What a connection has joined stands beside
//! the slab: one that joins nothing costs nothing more.

use super::arena::Arena;
use super::behind::Stand;
use super::name::{Conn, TopicError};
use crate::bus::Gap;
pub(crate) use crate::bus::Name;
use crate::ring::Token;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What `join` came to.
#[derive(Debug)]
pub(crate) enum Joined {
    /// It was a member before.
    Before,
    /// There are others.
    Now,
    /// It is the only one: the topic begins here.
    First(Begun),
}

/// A topic that has just got its first member.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) name: Name,
    /// Its name in mail to this reactor; stale once the last member has left.
    pub(crate) topic: Token,
    /// How many members it has here: written by this reactor, read by any.
    pub(crate) count: Arc<AtomicU32>,
}

/// What `leave` came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It was no member.
    Never,
    /// Others are left.
    Now,
    /// It was the last one: the topic has ended here.
    Last(Name),
}

#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Name,
    members: Vec<Member>,
    count: Arc<AtomicU32>,
    /// Members that do not get what comes, or not all of it. Mostly none.
    pub(super) behind: HashMap<Conn, Stand>,
}

impl Topic {
    fn tell(&self) {
        self.count.store(self.members.len() as u32, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, Debug)]
struct Member {
    conn: Conn,
    /// Which of the connection's memberships this is.
    nth: u32,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Membership {
    /// The topic's slot.
    pub(super) topic: u32,
    /// Which of its members this is.
    place: u32,
}

/// The topics of one reactor: those that have members here.
#[derive(Debug)]
pub(crate) struct Topics {
    /// With a random seed: peers choose names.
    pub(super) names: HashMap<Name, Token>,
    pub(super) topics: Arena<Topic>,
    pub(super) joined: HashMap<Conn, Vec<Membership>>,
    /// How many members read the history of their topic.
    pub(super) readers: usize,
    /// Those who are to do so in the next turn.
    pub(super) due: Vec<(Token, Conn)>,
    /// What is still to be reported.
    pub(super) changes: VecDeque<(Name, Change)>,
    pub(super) reports: Reports,
    /// One that is about to get what it has missed, and so not what comes; or no connection.
    pub(crate) arriving: Conn,
}

/// What the application wants to hear of topics.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reports {
    /// First members and last ones.
    pub(crate) ends: bool,
    /// What members do without.
    pub(crate) gaps: bool,
    /// Who has come back too late.
    pub(crate) late: bool,
}

/// What has become of a topic on this reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has got its first member.
    Begins,
    /// It has lost its last one.
    Ends,
    /// Its members do without what was published elsewhere.
    Missing(Gap),
    /// A member that reads its history does without what has left that meanwhile.
    Late(Conn),
}

impl Topics {
    /// `reports`: what is kept for [`Topics::next_change`].
    pub(crate) fn new(reports: Reports) -> Self {
        Self {
            names: HashMap::new(),
            topics: Arena::new(),
            joined: HashMap::new(),
            readers: 0,
            due: Vec::new(),
            changes: VecDeque::new(),
            reports,
            arriving: Conn::NONE,
        }
    }

    /// How many have members.
    pub(crate) fn count(&self) -> usize {
        self.topics.len()
    }

    /// Whether nobody has joined anything.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.joined.is_empty()
    }

    /// # Errors
    /// [`TopicError::TooMany`] when the connection is in `most` topics.
    pub(crate) fn join(
        &mut self,
        conn: Conn,
        name: &[u8],
        most: usize,
    ) -> Result<Joined, TopicError> {
        let known = self.names.get(name).copied();
        let memberships = self.joined.get(&conn).map_or(&[][..], |list| list);
        if known.is_some_and(|topic| memberships.iter().any(|of| of.topic == topic.slot)) {
            return Ok(Joined::Before);
        }
        if memberships.len() >= most {
            return Err(TopicError::TooMany);
        }
        let topic = known.unwrap_or_else(|| self.begin(name));
        let memberships = self.joined.entry(conn).or_default();
        let begun = self.topics.get_mut(topic).expect("a name is a topic's");
        let place = begun.members.len() as u32;
        begun.members.push(Member { conn, nth: memberships.len() as u32 });
        memberships.push(Membership { topic: topic.slot, place });
        begun.tell();
        if known.is_some() {
            return Ok(Joined::Now);
        }
        let (name, count) = (Arc::clone(&begun.name), Arc::clone(&begun.count));
        Ok(Joined::First(Begun { name, topic, count }))
    }

    fn begin(&mut self, name: &[u8]) -> Token {
        let name: Name = name.into();
        let (members, count, behind) = (Vec::new(), Arc::default(), HashMap::new());
        let topic = self.topics.insert(Topic { name: Arc::clone(&name), members, count, behind });
        self.note(&name, Change::Begins);
        self.names.insert(name, topic);
        topic
    }

    pub(crate) fn leave(&mut self, conn: Conn, name: &[u8]) -> Left {
        let Some(topic) = self.names.get(name) else { return Left::Never };
        let memberships = self.joined.get(&conn).map_or(&[][..], |list| list);
        match memberships.iter().position(|of| of.topic == topic.slot) {
            Some(nth) => self.take_out(conn, nth),
            None => Left::Never,
        }
    }

    /// The connection has ended, and with it its memberships; `ended` is told of each topic whose
    /// last member it was.
    pub(crate) fn end(&mut self, conn: Conn, mut ended: impl FnMut(&[u8])) {
        // From the end: no other membership has to move.
        while let Some(last) = self.joined.get(&conn).map(|list| list.len() - 1) {
            if let Left::Last(name) = self.take_out(conn, last) {
                ended(&name);
            }
        }
    }

    /// Ends the `nth` membership of a connection.
    fn take_out(&mut self, conn: Conn, nth: usize) -> Left {
        let memberships = self.joined.get_mut(&conn).expect("a member has memberships");
        let Membership { topic, place } = memberships.swap_remove(nth);
        if let Some(moved) = memberships.get(nth).copied() {
            self.member(moved).nth = nth as u32;
        } else if memberships.is_empty() {
            self.joined.remove(&conn);
        }
        let left = self.topics.at(topic).expect("a membership is of a topic");
        left.members.swap_remove(place as usize);
        left.tell();
        if !left.behind.is_empty() && matches!(left.behind.remove(&conn), Some(Stand::Reads(_))) {
            self.readers -= 1;
        }
        if let Some(moved) = left.members.get(place as usize).copied() {
            let memberships = self.joined.get_mut(&moved.conn).expect("a member has memberships");
            memberships[moved.nth as usize].place = place;
        } else if left.members.is_empty() {
            return self.finish(topic);
        }
        Left::Now
    }

    fn member(&mut self, of: Membership) -> &mut Member {
        let topic = self.topics.at(of.topic).expect("a membership is of a topic");
        &mut topic.members[of.place as usize]
    }

    /// Nobody is left.
    fn finish(&mut self, topic: u32) -> Left {
        let name = self.topics.remove(topic).expect("a topic without members").name;
        self.names.remove(&name);
        self.note(&name, Change::Ends);
        Left::Last(name)
    }

    /// The member of a topic with that number, from 0; none behind the last, or when the topic has
    /// ended.
    #[inline]
    pub(crate) fn member_of(&self, topic: Token, number: usize) -> Option<Conn> {
        Some(self.topics.get(topic)?.members.get(number)?.conn)
    }

    /// How many members a topic has, by its name in mail; none when it has ended.
    #[inline]
    pub(crate) fn members_of(&self, topic: Token) -> usize {
        self.topics.get(topic).map_or(0, |topic| topic.members.len())
    }

    /// How many members a topic has.
    pub(crate) fn members(&self, name: &[u8]) -> usize {
        let topic = self.names.get(name).and_then(|topic| self.topics.get(*topic));
        topic.map_or(0, |topic| topic.members.len())
    }

    fn note(&mut self, name: &Name, change: Change) {
        if self.reports.ends {
            self.changes.push_back((Arc::clone(name), change));
        }
    }

    /// Members of a topic do without what was published elsewhere.
    pub(crate) fn note_gap(&mut self, topic: Token, gap: Gap) {
        let reports = self.reports.gaps;
        if let Some(topic) = self.topics.get(topic).filter(|_| reports) {
            self.changes.push_back((Arc::clone(&topic.name), Change::Missing(gap)));
        }
    }

    /// The name of a topic in mail, if it has members.
    pub(crate) fn name_of(&self, name: &[u8]) -> Option<Token> {
        self.names.get(name).copied()
    }

    /// How many changes are to be reported.
    #[inline]
    pub(crate) fn changes(&self) -> usize {
        self.changes.len()
    }

    /// The next topic that something has become of.
    pub(crate) fn next_change(&mut self) -> Option<(Name, Change)> {
        self.changes.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn conn(number: u32) -> Conn {
        Conn::new(0, number, 1)
    }

    fn members(topics: &Topics, name: &[u8]) -> BTreeSet<u64> {
        let Some(topic) = topics.names.get(name) else { return BTreeSet::new() };
        let all = (0..).map_while(|number| topics.member_of(*topic, number));
        all.map(Conn::to_bits).collect()
    }

    #[test]
    fn joining_twice_is_one_membership_and_leaving_twice_is_told() {
        let mut topics = Topics::new(Reports { ends: true, ..Reports::default() });
        let Ok(Joined::First(begun)) = topics.join(conn(1), b"a", 9) else { panic!("the first") };
        assert_eq!(&*begun.name, b"a");
        assert!(matches!(topics.join(conn(1), b"a", 1), Ok(Joined::Before)), "no new membership");
        assert!(matches!(topics.join(conn(2), b"a", 9), Ok(Joined::Now)));
        assert_eq!((topics.members(b"a"), begun.count.load(Ordering::Relaxed)), (2, 2));
        assert_eq!(topics.leave(conn(1), b"a"), Left::Now);
        assert_eq!(topics.leave(conn(1), b"a"), Left::Never);
        assert_eq!(topics.leave(conn(2), b"b"), Left::Never);
        assert_eq!(topics.leave(conn(2), b"a"), Left::Last(b"a"[..].into()));
        assert_eq!(topics.member_of(begun.topic, 0), None);
        assert!(topics.is_empty() && topics.count() == 0 && topics.names.is_empty());
        assert_eq!(topics.changes(), 2);
        assert_eq!(topics.next_change(), Some((b"a"[..].into(), Change::Begins)));
        assert_eq!(topics.next_change(), Some((b"a"[..].into(), Change::Ends)));
        assert_eq!(topics.next_change(), None);
    }

    #[test]
    fn a_topic_that_begins_anew_has_another_name_in_mail() {
        let mut topics = Topics::new(Reports::default());
        let mut begin = |name: &[u8]| match topics.join(conn(1), name, 9) {
            Ok(Joined::First(begun)) => {
                assert!(matches!(topics.leave(conn(1), name), Left::Last(_)));
                begun.topic
            }
            other => panic!("{other:?}"),
        };
        let (a, b) = (begin(b"a"), begin(b"a"));
        assert_ne!(a, b);
        assert_eq!((topics.changes(), topics.next_change()), (0, None), "nobody wants to hear");
    }

    #[test]
    fn a_connection_joins_no_more_than_it_may() {
        let mut topics = Topics::new(Reports::default());
        assert!(topics.join(conn(1), b"a", 2).is_ok() && topics.join(conn(1), b"b", 2).is_ok());
        assert_eq!(topics.join(conn(1), b"c", 2).err(), Some(TopicError::TooMany));
        assert_eq!((topics.count(), topics.members(b"c")), (2, 0), "nothing was made");
        assert_eq!(topics.leave(conn(1), b"a"), Left::Last(b"a"[..].into()));
        assert!(topics.join(conn(1), b"c", 2).is_ok());
    }

    /// Against sets, through thousands of joins, leaves and ends.
    #[test]
    fn the_table_is_a_set_of_pairs_whatever_is_done_to_it() {
        let mut topics = Topics::new(Reports::default());
        let mut pairs = BTreeSet::new();
        let mut random = 1_u64;
        let mut draw = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        for _ in 0..20_000 {
            let (who, what) = (conn(draw(12) as u32), [draw(9) as u8]);
            let pair = (what[0], who.to_bits());
            let others = |pairs: &BTreeSet<(u8, u64)>| pairs.iter().any(|p| p.0 == pair.0);
            match draw(8) {
                0..4 => match topics.join(who, &what, 5) {
                    Ok(Joined::Before) => assert!(pairs.contains(&pair)),
                    Ok(Joined::Now) => assert!(others(&pairs) && pairs.insert(pair)),
                    Ok(Joined::First(_)) => assert!(!others(&pairs) && pairs.insert(pair)),
                    Err(_) => assert_eq!(pairs.iter().filter(|p| p.1 == pair.1).count(), 5),
                },
                4..7 => match topics.leave(who, &what) {
                    Left::Never => assert!(!pairs.contains(&pair)),
                    Left::Now => assert!(pairs.remove(&pair) && others(&pairs)),
                    Left::Last(_) => assert!(pairs.remove(&pair) && !others(&pairs)),
                },
                _ => {
                    let mut ended = BTreeSet::new();
                    topics.end(who, |name| assert!(ended.insert(name[0])));
                    let before = std::mem::take(&mut pairs);
                    pairs = before.iter().copied().filter(|p| p.1 != pair.1).collect();
                    let is_last = |p: &&(u8, u64)| pairs.iter().all(|left| left.0 != p.0);
                    let last = before.iter().filter(is_last).map(|p| p.0).collect();
                    assert_eq!(ended, last);
                }
            }
            for name in 0..9 {
                let expected: BTreeSet<u64> =
                    pairs.iter().filter(|p| p.0 == name).map(|p| p.1).collect();
                assert_eq!(members(&topics, &[name]), expected);
                assert_eq!(topics.members(&[name]), expected.len());
            }
            assert_eq!(topics.is_empty(), pairs.is_empty());
        }
    }
}
