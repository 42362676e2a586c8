//! Who is connected to the engines: members, who write down all that they hear, and publishers.

use super::client::Client;
use super::history::{At, Came, Speaker, Try, Visit};
use super::stage::{Phase, Post, Stage};
use super::wire::{Answer, Said, Words};
use crate::error::Result;
use crate::random::Random;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a member waits for what comes before it looks at the clock, and a publisher.
const LOOK: Duration = Duration::from_millis(10);
/// Between two attempts to connect.
const REST: Duration = Duration::from_millis(20);
/// Between what a publisher says and what it says next.
const BEAT: Duration = Duration::from_millis(10);
/// A flood: messages, and bytes of each.
const FLOOD: (u64, usize) = (300, 2_000);
/// One of so many beats is one.
const FLOODS: u64 = 300;

/// A member's topics, and the one that it joins and leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) stays: &'static [u8],
    pub(super) wanders: Option<u8>,
}

/// Of the members of each engine.
pub(super) const MEMBERS: [Part; 3] = [
    Part { stays: &[0, 1, 2], wanders: None },
    Part { stays: &[2, 3], wanders: None },
    Part { stays: &[4, 0], wanders: Some(5) },
];
/// Of the publishers of each engine: on a topic an engine has one, so that the order and the
/// numbers in which it publishes are known.
pub(super) const PUBLISHERS: [&[u8]; 2] = [&[0, 1, 2], &[3, 4, 5]];

/// A member, through all lives of its engine.
pub(super) fn member(stage: &Stage, engine: usize, member: u8, random: &mut Random) -> Vec<Visit> {
    let (mut visits, part) = (Vec::new(), MEMBERS[usize::from(member)]);
    while stage.phase() != Phase::Over {
        let client = stage
            .post(engine)
            .and_then(|post| Client::connect(post.port).ok().map(|client| (post, client)));
        let Some((Post { at, .. }, client)) = client else {
            std::thread::sleep(REST);
            continue;
        };
        let came = Vec::new();
        let visit = Visit { at, member, came, ended: 0, to_the_end: false };
        let mut guest = Guest { stage, client, visit, in_topic: false, next: stage.now() };
        let over = guest.stay(part, random);
        guest.visit.to_the_end = matches!(over, Ok(()));
        guest.visit.ended = stage.now();
        visits.push(guest.visit);
    }
    visits
}

struct Guest<'s> {
    stage: &'s Stage,
    client: Client,
    visit: Visit,
    /// Of the topic that it wanders to.
    in_topic: bool,
    /// When it joins or leaves.
    next: At,
}

impl Guest<'_> {
    fn note(&mut self, came: Came) {
        self.visit.came.push((self.stage.now(), came));
    }

    fn stay(&mut self, part: Part, random: &mut Random) -> Result<()> {
        self.client.hello();
        for topic in part.stays {
            self.note(Came::Joins(*topic));
            self.client.join(*topic);
        }
        self.client.flush()?;
        while self.stage.phase() != Phase::Over {
            if let Some(said) = self.client.next(LOOK)? {
                self.hear(said);
            }
            let is_due = self.stage.now() >= self.next && self.stage.phase() == Phase::Load;
            if let (true, Some(topic)) = (is_due, part.wanders) {
                self.next = self.stage.now() + 200_000 + random.below(1_800_000);
                self.in_topic = !self.in_topic;
                if self.in_topic {
                    self.note(Came::Joins(topic));
                    self.client.join(topic);
                } else {
                    self.note(Came::Leaves(topic));
                    self.client.leave(topic);
                }
                self.client.flush()?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, said: Said) {
        let came = match said {
            Said::Message(None) => Came::Garbage,
            Said::Message(Some(Words { topic, node, life, serial })) => {
                let from = Speaker { node, life };
                if from != self.visit.at {
                    self.stage.delivered.fetch_add(1, Ordering::Relaxed);
                }
                Came::Message { topic, from, serial }
            }
            Said::Gap(topic, gap) => {
                self.stage.gaps.fetch_add(1, Ordering::Relaxed);
                Came::Gap(topic, gap)
            }
            Said::Up(up) => Came::Up(up),
            Said::Joined(topic) => Came::Joined(topic),
            Said::Left(topic) => Came::Left(topic),
            Said::Answer(_) => Came::Garbage,
        };
        self.note(came);
    }
}

pub(super) type Tries = HashMap<(Speaker, u8), Vec<Try>>;

/// A publisher, through all lives of its engine: so many messages a second.
pub(super) fn publisher(
    stage: &Stage,
    engine: usize,
    topics: &[u8],
    rate: u64,
    random: &mut Random,
) -> Tries {
    let mut tries = Tries::default();
    while stage.phase() == Phase::Load {
        let client = stage
            .post(engine)
            .and_then(|post| Client::connect(post.port).ok().map(|client| (post.at, client)));
        if let Some((at, mut client)) = client {
            // It fails when the engine ends.
            while stage.phase() == Phase::Load {
                let flood = random.below(FLOODS) == 0;
                let (count, more) = match flood {
                    true => FLOOD,
                    false => (rate.div_ceil(100), random.below(300) as usize),
                };
                let mut beat = Beat { stage, at, client: &mut client, tries: &mut tries };
                if beat.publish(topics, count, more, random).is_err() {
                    break;
                }
                std::thread::sleep(BEAT);
            }
        }
        std::thread::sleep(REST);
    }
    tries
}

struct Beat<'s> {
    stage: &'s Stage,
    at: Speaker,
    client: &'s mut Client,
    tries: &'s mut Tries,
}

impl Beat<'_> {
    /// Publishes some, and waits for all answers.
    fn publish(&mut self, all: &[u8], count: u64, more: usize, random: &mut Random) -> Result<()> {
        let mut asked = Vec::new();
        for _ in 0..count {
            let topic = all[random.below(all.len() as u64) as usize];
            let of = self.tries.entry((self.at, topic)).or_default();
            let (serial, sent) = (of.len() as u32, self.stage.now());
            of.push(Try { sent, answered: 0, answer: Answer::Unknown });
            let words = Words { topic, node: self.at.node, life: self.at.life, serial };
            self.client.publish(topic, &words.encode(more));
            asked.push((topic, serial));
        }
        self.client.flush()?;
        for (topic, serial) in asked {
            let answer = loop {
                match self.client.next(LOOK)? {
                    Some(Said::Answer(answer)) => break answer,
                    // A frozen engine lives on, or is killed: then the connection ends.
                    _ if self.stage.phase() == Phase::Over => return Ok(()),
                    _ => {}
                }
            };
            let answered = self.stage.now();
            let of = self.tries.get_mut(&(self.at, topic));
            if let Some(it) = of.and_then(|of| of.get_mut(serial as usize)) {
                (it.answered, it.answer) = (answered, answer);
            }
            if answer == Answer::Accepted {
                self.stage.published.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}
