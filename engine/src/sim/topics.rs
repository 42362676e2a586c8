//! What a client is promised of topics: each message once, in the order in which they were
//! published, unless it is counted that a member has refused one.

use super::message::Whole;
use crate::proto::Opcode;
use std::collections::{BTreeMap, BTreeSet};

/// The topics of a run.
pub(super) const NAMES: [&str; 3] = ["blue", "red", "green"];

/// Which of all that is published: the topic, and a number that grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) topic: usize,
    pub(super) number: u64,
}

impl Published {
    /// The message that says so, which no other looks like.
    pub(super) fn whole(self, len: usize) -> Whole {
        let Self { topic, number } = self;
        let text = format!("published {topic} {number} {}", "x".repeat(len));
        (Opcode::Text, text.into_bytes())
    }

    /// What a message says that it is, if it is one that was published.
    pub(super) fn of((_, payload): &Whole) -> Option<Self> {
        let mut words = payload.strip_prefix(b"published ")?.split(|&byte| byte == b' ');
        let mut number = || std::str::from_utf8(words.next()?).ok()?.parse().ok();
        Some(Self { topic: number()? as usize, number: number()? })
    }
}

/// A message that may come, but need not.
#[derive(Debug)]
struct Offer {
    topic: usize,
    whole: Whole,
    /// That it does not is counted nowhere.
    excused: bool,
}

/// One client's topics.
#[derive(Debug, Default)]
pub(super) struct Memberships {
    pub(super) joined: BTreeSet<usize>,
    /// The number of the latest message that has come, by topic.
    latest: [u64; NAMES.len()],
    offers: BTreeMap<u64, Offer>,
}

impl Memberships {
    /// Something may come that it was not promised.
    pub(super) fn offer(&mut self, published: Published, whole: Whole, excused: bool) {
        let offer = Offer { topic: published.topic, whole, excused };
        self.offers.entry(published.number).or_insert(offer);
    }

    /// It is no member any more: what is on its way may come, or not.
    pub(super) fn leave(&mut self, topic: usize) {
        self.joined.remove(&topic);
        let offers = self.offers.values_mut().filter(|offer| offer.topic == topic);
        offers.for_each(|offer| offer.excused = true);
    }

    /// Something has come. How many that were published before it can be no more, and must have
    /// been counted.
    pub(super) fn heard(&mut self, published: Published, whole: &Whole, promised: bool) -> u64 {
        let Published { topic, number } = published;
        let latest = std::mem::replace(&mut self.latest[topic], number);
        assert!(number > latest, "{published:?} has come behind {latest}");
        let offered = self.offers.remove(&number).is_some_and(|offer| offer.whole == *whole);
        assert!(promised || offered, "{published:?} has come unasked or too late");
        let (mut gone, rest): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.offers)
            .into_iter()
            .partition(|(other, offer)| offer.topic == topic && *other < number);
        self.offers = rest;
        gone.retain(|_, offer| !offer.excused);
        gone.len() as u64
    }
}
