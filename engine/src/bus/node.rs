//! One engine's part in the cluster: what it tells the others, and what it makes of what they tell.

use super::counts::Counts;
use super::envelope::{Delivery, Envelope, Kind, Malformed, Manner, Names};
use super::gap::{Gap, Number, Origin};
use super::heard::{Heard, Verdict};
use super::plant::{Plant, is_planted};
use super::said::{Due, Said};
use super::{EVERYBODY, Name};
use crate::memory::Outgoing;
use crate::tick::Tick;
use std::collections::VecDeque;

/// Bytes of names in one sync.
const SYNC_MAX: usize = 16 << 10;

/// What a node is made from.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Who we are.
    pub origin: Origin,
    /// How long after the last message of a topic its number is repeated, in milliseconds.
    pub heartbeat_ms: u32,
    /// How long after it the topic ends, if nothing is published on it.
    pub forget_ms: u32,
    /// How long after the first member has joined, or the broker is reached again, whoever
    /// publishes on the topic is waited for.
    pub settle_ms: u32,
}

/// What the bus is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// From now on frames of the topic are wanted, or not any more. Told once: whoever connects
    /// anew remembers them.
    Interest {
        /// Any bytes but none; or none for what all engines hear.
        topic: Name,
        /// Wanted.
        on: bool,
    },
    /// A frame is to be brought to all engines that are interested in the topic. Those of a topic
    /// must not overtake each other.
    Send {
        /// As above.
        topic: Name,
        /// Opaque.
        frame: Vec<u8>,
    },
    /// The engine has ended. What was to be sent before is sent, and then the bus ends.
    Stop,
}

/// Too much waits for the members of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much waits for the members of the topic")]
pub struct Full;

/// The topics of this engine.
pub trait Topics {
    /// A message for all members of a topic, in its order.
    ///
    /// # Errors
    /// [`Full`]: nobody gets it.
    fn deliver(&self, topic: &[u8], delivery: &Delivery<'_>) -> Result<(), Full>;
    /// What they will not get, in the same order.
    fn tell(&self, topic: &[u8], gap: &Gap);
    /// Nothing is said of a topic any more, unless something was published after that number.
    fn forget(&self, topic: &[u8], last: u64) -> bool;
    /// The last number of each topic that was given while the bus was down, once.
    fn unsent(&self, each: &mut dyn FnMut(&Name, Number));
}

/// What a frame was that the bus has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message, to members.
    Delivered,
    /// A heartbeat, an end or a sync.
    Sign,
    /// Our own, come back.
    Own,
    /// It came before, or is of an earlier life of its origin.
    Known,
    /// Nobody here is in the topic, any more.
    Nobody,
    /// Too much waits for its members: it is found missing by what comes next.
    Full,
    /// None of ours.
    Malformed(Malformed),
}

/// One engine's part in the cluster. Not a thread, nor a socket: what it wants done is in
/// [`Node::next_call`].
#[derive(Debug)]
pub struct Node {
    settings: Settings,
    said: Said,
    heard: Heard,
    up: bool,
    calls: VecDeque<Call>,
    /// Topics that those who publish on them are to be asked for.
    syncs: VecDeque<Name>,
    frame_max: usize,
    counts: Counts,
    stopped: bool,
}

impl Node {
    /// Hears what all engines hear. Down.
    pub fn new(settings: Settings) -> Self {
        let everybody = Call::Interest { topic: EVERYBODY.into(), on: true };
        Self {
            settings,
            said: Said::new(settings.heartbeat_ms, settings.forget_ms),
            heard: Heard::default(),
            up: false,
            calls: VecDeque::from([everybody]),
            syncs: VecDeque::new(),
            frame_max: 0,
            counts: Counts::default(),
            stopped: false,
        }
    }

    /// What is to be done next.
    pub fn next_call(&mut self) -> Option<Call> {
        self.calls.pop_front().or_else(|| self.next_sync())
    }

    /// Whether it was stopped.
    pub fn has_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether [`Node::next_call`] has something.
    pub fn has_calls(&self) -> bool {
        !self.calls.is_empty() || !self.syncs.is_empty()
    }

    /// When to call [`Node::tick`].
    pub fn deadline(&self) -> Option<Tick> {
        if !self.up {
            return None;
        }
        [self.said.due_at(), self.heard.due()].into_iter().flatten().min()
    }

    /// What has happened.
    pub fn counts(&self) -> Counts {
        let (said, heard) = (self.said.len() as u64, self.heard.streams() as u64);
        Counts { said, heard, ..self.counts }
    }

    /// A message was published here and has a number.
    pub fn publish(
        &mut self,
        now: Tick,
        topic: &Name,
        number: Number,
        (message, manner): (&Outgoing, Manner),
    ) {
        self.said.say(now, topic, number);
        if !self.up {
            self.counts.unsent += 1;
            return;
        }
        self.counts.sent += 1;
        let Settings { origin, heartbeat_ms, .. } = self.settings;
        let envelope = Envelope::of_message(origin, number, heartbeat_ms, message, manner);
        self.calls.push_back(Call::Send { topic: topic.clone(), frame: envelope.encode() });
    }

    /// A topic has got its first member here, or lost its last one.
    pub fn interest(&mut self, now: Tick, topic: Name, on: bool) {
        if on == self.heard.has(&topic) {
            return;
        }
        self.calls.push_back(Call::Interest { topic: topic.clone(), on });
        if !on {
            return self.heard.end(&topic);
        }
        // Down: from when it is up.
        self.heard.begin(&topic, if self.up { self.settled_at(now) } else { Tick::MAX });
        if self.up {
            self.syncs.push_back(topic);
        }
    }

    /// Others are the members of a topic now, and nobody has noticed.
    pub fn changes_hands(&mut self, topic: &[u8]) {
        self.heard.renew(topic);
    }

    fn settled_at(&self, now: Tick) -> Tick {
        now + u64::from(self.settings.settle_ms)
    }

    /// The broker is reached, and has all interests.
    pub fn up(&mut self, now: Tick, frame_max: usize, topics: &dyn Topics) {
        self.up = true;
        self.frame_max = frame_max;
        self.heard.settle(self.settled_at(now));
        self.heard.ask_all(now, self.settings.heartbeat_ms);
        self.syncs = self.heard.topics().cloned().collect();
        topics.unsent(&mut |topic, number| {
            // One that waits in the queue comes later.
            if self.said.last(topic).is_none_or(|(last, _)| last.seq < number.seq) {
                self.said.say(now, topic, number);
            }
        });
        let said: Vec<Name> = self.said.topics().cloned().collect();
        for topic in said {
            self.heartbeat(&topic);
        }
    }

    /// It is not, and what was on its way may be lost.
    pub fn down(&mut self, now: Tick) {
        self.up = false;
        self.heard.unsettle(now);
        self.syncs.clear();
        // Who was to be told is not told; the numbers are used.
        let told = |call: &Call| !matches!(call, Call::Send { .. });
        self.calls.retain(told);
    }

    /// A frame that the bus has brought.
    pub fn receive(
        &mut self,
        now: Tick,
        topic: &[u8],
        frame: &[u8],
        topics: &dyn Topics,
    ) -> Received {
        let received = match Envelope::decode(frame) {
            Err(malformed) => Received::Malformed(malformed),
            Ok(envelope) if envelope.origin == self.settings.origin => Received::Own,
            Ok(envelope) => match envelope.kind {
                Kind::Sync(names) if topic == EVERYBODY => {
                    names.iter().for_each(|name| self.heartbeat(&name.into()));
                    Received::Sign
                }
                Kind::Sync(_) => Received::Malformed(Malformed::Head),
                _ => self.hear(now, topic, &envelope, topics),
            },
        };
        let counter = match received {
            Received::Delivered => &mut self.counts.delivered,
            Received::Own => &mut self.counts.own,
            Received::Known => &mut self.counts.known,
            Received::Full => &mut self.counts.full,
            Received::Malformed(_) => &mut self.counts.malformed,
            Received::Sign | Received::Nobody => return received,
        };
        *counter += 1;
        received
    }

    fn hear(
        &mut self,
        now: Tick,
        topic: &[u8],
        envelope: &Envelope<'_>,
        topics: &dyn Topics,
    ) -> Received {
        let Envelope { origin, number, promise_ms, kind } = *envelope;
        // Members here have what this life of ours has said on the topic: an earlier one, of which
        // a broker that hung brings more, is over for them as it is for everybody else.
        let Origin { node, epoch } = self.settings.origin;
        if origin.node == node && origin.epoch < epoch && self.said.last(topic).is_some() {
            return Received::Known;
        }
        let message = kind.outgoing();
        // A heartbeat's number was given to a message before it.
        let next = number.seq + u64::from(message.is_none());
        let missing = match self.heard.judge(now, topic, origin, number.start, next) {
            Verdict::Nobody => return Received::Nobody,
            Verdict::Known => return Received::Known,
            Verdict::New(missing) => missing,
        };
        [missing.before, missing.here]
            .iter()
            .flatten()
            .for_each(|gap| self.tell(topic, gap, topics));
        let promise = (kind != Kind::End).then_some(promise_ms);
        let delivered = message.map(|(message, manner)| {
            topics.deliver(topic, &Delivery { origin, number, message: &message, manner })
        });
        // The gap was told; the message itself will be found missing, or lies in the open gap.
        let is_full = delivered == Some(Err(Full)) && !is_planted(Plant::Full);
        if is_full && self.heard.is_lost(topic, origin) {
            return Received::Full;
        }
        let last = if is_full { number.seq - 1 } else { number.seq };
        self.heard.take(now, topic, origin, last, promise);
        match delivered {
            Some(Ok(())) => Received::Delivered,
            Some(Err(Full)) => Received::Full,
            None => Received::Sign,
        }
    }

    /// What is due by now.
    pub fn tick(&mut self, now: Tick, topics: &dyn Topics) {
        if !self.up {
            return;
        }
        while let Some((topic, number, due)) = self.said.due(now) {
            match due {
                Due::Heartbeat => self.heartbeat(&topic),
                Due::End => self.end(&topic, number, topics),
            }
        }
        while let Some((topic, gap)) = self.heard.silent(now) {
            self.tell(&topic, &gap, topics);
        }
    }

    /// The engine has ended: nobody is to wait for more.
    pub fn stop(&mut self, topics: &dyn Topics) {
        let said: Vec<Name> = self.said.topics().cloned().collect();
        for topic in said {
            if let Some((number, _)) = self.said.last(&topic) {
                self.end(&topic, number, topics);
            }
        }
        self.stopped = true;
        self.calls.push_back(Call::Stop);
    }

    /// The end of a topic, unless something was published meanwhile: that comes from the queue.
    fn end(&mut self, topic: &Name, number: Number, topics: &dyn Topics) {
        if topics.forget(topic, number.seq) {
            self.said.forget(topic);
            self.sign(topic, number, Kind::End, 0);
        }
    }

    fn heartbeat(&mut self, topic: &Name) {
        if let Some((mut number, promise_ms)) = self.said.last(topic) {
            if is_planted(Plant::Heartbeat) && number.seq > number.start {
                number.seq -= 1;
            }
            self.sign(topic, number, Kind::Heartbeat, promise_ms);
        }
    }

    fn sign(&mut self, topic: &Name, number: Number, kind: Kind<'_>, promise_ms: u32) {
        if self.up {
            self.counts.signs += 1;
            let frame =
                Envelope { origin: self.settings.origin, number, promise_ms, kind }.encode();
            self.calls.push_back(Call::Send { topic: topic.clone(), frame });
        }
    }

    /// Asks for the next topics whose publishers are to make themselves heard: behind the interests
    /// in them, so that the answers come through.
    fn next_sync(&mut self) -> Option<Call> {
        let max = SYNC_MAX.min(self.frame_max.saturating_sub(Envelope::HEAD_MAX));
        let mut names = Vec::new();
        while let Some(name) = self.syncs.front() {
            if !names.is_empty() && names.len() + 2 + name.len() > max {
                break;
            }
            Names::push(&mut names, name);
            self.syncs.pop_front();
        }
        if names.is_empty() {
            return None;
        }
        let number = Number::default();
        self.sign(&EVERYBODY.into(), number, Kind::Sync(Names::of(&names)), 0);
        self.calls.pop_front()
    }

    fn tell(&mut self, topic: &[u8], gap: &Gap, topics: &dyn Topics) {
        self.counts.gaps += 1;
        self.counts.missing += gap.count();
        topics.tell(topic, gap);
    }
}
