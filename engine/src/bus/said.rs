//! What this engine has published, and when it says so again.

use super::Name;
use super::gap::Number;
use crate::tick::Tick;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Heartbeats come twice as far apart each time, up to this many times the first distance.
pub(super) const SLOWEST: u32 = 4;

#[derive(Clone, Copy, Debug)]
struct Stream {
    number: Number,
    /// When something was published last.
    said_at: Tick,
    /// How far apart heartbeats are now, in milliseconds.
    pace_ms: u32,
    /// When the next one is due.
    due: Tick,
    /// When it is looked at next, no later than that: what is planned otherwise is void.
    planned: Tick,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A heartbeat.
    Heartbeat,
    /// The topic has been quiet for long: its end, if nobody publishes on it meanwhile.
    End,
}

/// What this engine has published, as far as the bus has been told.
#[derive(Debug)]
pub(super) struct Said {
    streams: HashMap<Name, Stream>,
    dues: BinaryHeap<Reverse<(Tick, Name)>>,
    heartbeat_ms: u32,
    forget_ms: u32,
}

impl Said {
    pub(super) fn new(heartbeat_ms: u32, forget_ms: u32) -> Self {
        Self { streams: HashMap::new(), dues: BinaryHeap::new(), heartbeat_ms, forget_ms }
    }

    /// A message goes out, or is given up: either way its number is used.
    pub(super) fn say(&mut self, now: Tick, topic: &Name, number: Number) {
        let (pace_ms, due) = (self.heartbeat_ms, now + u64::from(self.heartbeat_ms));
        let before = self.streams.get(topic);
        let mut planned = before.map_or(Tick::MAX, |before| before.planned);
        // What was published before the bus was lost may come from the queue behind what was told
        // since.
        let number = match before {
            Some(before) if before.number.seq > number.seq => before.number,
            _ => number,
        };
        if due < planned {
            planned = due;
            self.dues.push(Reverse((due, topic.clone())));
        }
        let stream = Stream { number, said_at: now, pace_ms, due, planned };
        self.streams.insert(topic.clone(), stream);
    }

    /// When [`Said::due`] has something, unless more is said.
    pub(super) fn due_at(&self) -> Option<Tick> {
        self.dues.peek().map(|Reverse((due, _))| *due)
    }

    /// The next topic whose turn it is. An end is one once [`Said::forget`] was called.
    pub(super) fn due(&mut self, now: Tick) -> Option<(Name, Number, Due)> {
        while self.due_at().is_some_and(|due| due <= now) {
            let Some(Reverse((due, name))) = self.dues.pop() else { break };
            let Some(stream) = self.streams.get_mut(&name) else { continue };
            if stream.planned != due {
                continue;
            }
            if stream.due > now {
                stream.planned = stream.due;
                self.dues.push(Reverse((stream.due, name)));
                continue;
            }
            let is_over = now >= stream.said_at + u64::from(self.forget_ms);
            stream.pace_ms = (stream.pace_ms * 2).min(self.heartbeat_ms * SLOWEST);
            stream.due = now + u64::from(stream.pace_ms);
            stream.planned = stream.due;
            let number = stream.number;
            self.dues.push(Reverse((stream.due, name.clone())));
            let what = if is_over { Due::End } else { Due::Heartbeat };
            return Some((name, number, what));
        }
        None
    }

    /// The topic has ended.
    pub(super) fn forget(&mut self, topic: &[u8]) {
        self.streams.remove(topic);
    }

    /// The last number of a topic, and within what time something is said of it again.
    pub(super) fn last(&self, topic: &[u8]) -> Option<(Number, u32)> {
        self.streams.get(topic).map(|stream| (stream.number, stream.pace_ms))
    }

    /// The topics that have not ended.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Name> {
        self.streams.keys()
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }
}
