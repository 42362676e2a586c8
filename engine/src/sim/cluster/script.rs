//! What happens in a cluster, step by step: drawn from a seed, or written down.

use crate::ring::sim::Choices;
use crate::tick::Tick;
use std::fmt::Write;

/// Engines that there are at the same time, at most.
pub const ENGINES: usize = 5;
/// Topics that are joined and published on; the number behind them is the channel of all engines.
pub const TOPICS: usize = 3;

/// One thing that happens. What cannot happen then, does not: so any part of a script is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "engines, topics, milliseconds and bytes are what they are called")]
pub enum Step {
    /// A member joins.
    Join {
        engine: usize,
        topic: usize,
    },
    /// And leaves.
    Leave {
        engine: usize,
        topic: usize,
    },
    /// A message is published.
    Publish {
        engine: usize,
        topic: usize,
        bytes: usize,
    },
    /// The broker drops the next frames of a topic from one engine to another.
    Drop {
        from: usize,
        to: usize,
        topic: usize,
        count: u32,
    },
    /// And all of them, until it is healed.
    Cut {
        from: usize,
        to: usize,
    },
    Heal {
        from: usize,
        to: usize,
    },
    /// Frames between two take so long from now on.
    Delay {
        from: usize,
        to: usize,
        ms: Tick,
    },
    /// The last frames of a topic come once more, or late if they were dropped.
    Again {
        from: usize,
        to: usize,
        topic: usize,
        count: usize,
    },
    /// The engine loses the broker, perhaps with what it had sent and was not forwarded yet.
    Down {
        engine: usize,
        loses: bool,
    },
    /// It is there again. Its subscriptions take effect so long after it believes that.
    Up {
        engine: usize,
        late_ms: Tick,
        frame_max: usize,
    },
    /// The client of the broker does nothing, until it is resumed.
    Stall {
        engine: usize,
    },
    Resume {
        engine: usize,
    },
    /// The engine does not read its mail, until it does again.
    Stick {
        engine: usize,
    },
    Unstick {
        engine: usize,
    },
    /// The engine ends as it should.
    End {
        engine: usize,
    },
    /// It ends without a word, perhaps with what was on its way.
    Crash {
        engine: usize,
        loses: bool,
    },
    /// One begins in its place, with its number, or as another.
    Start {
        engine: usize,
        anew: bool,
    },
}

/// A cluster, and what happens in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Engines at the start.
    pub engines: usize,
    /// As in the configuration of each.
    pub heartbeat_ms: u32,
    /// As in the configuration of each.
    pub forget_ms: u32,
    /// As in the configuration of each.
    pub settle_ms: u32,
    /// How much time passes, and what happens then.
    pub steps: Vec<(Tick, Step)>,
}

/// Kinds of trouble, each of which a seed knows or does not.
const TROUBLES: usize = 8;

/// What is drawn for a cluster.
struct Draw<'c> {
    choices: &'c mut Choices,
    engines: usize,
    topics: usize,
    settle_ms: u32,
    troubles: Vec<usize>,
}

impl Script {
    /// What a seed draws.
    pub fn draw(choices: &mut Choices) -> Self {
        let engines = 2 + choices.below(ENGINES - 1);
        let heartbeat_ms = *choices.pick(&[1_000, 10, 200, 60_000]);
        let forget_ms = heartbeat_ms * *choices.pick(&[30, 4, 8]);
        let settle_ms = *choices.pick(&[2_000, 200, 500]);
        let troubles = (0..TROUBLES).filter(|_| choices.chance(400)).collect();
        let topics = 1 + choices.below(TOPICS);
        let count = *choices.pick(&[30, 10, 60, 100]);
        let mut draw = Draw { choices, engines, topics, settle_ms, troubles };
        let steps = (0..count).map(|_| (draw.time(heartbeat_ms), draw.step())).collect();
        Self { engines, heartbeat_ms, forget_ms, settle_ms, steps }
    }

    /// It as a test, to be kept.
    pub fn as_test(&self, name: &str) -> String {
        let Self { engines, heartbeat_ms, forget_ms, settle_ms, .. } = self;
        let mut text = format!("#[test]\nfn {name}() {{\n    play_script(&Script {{\n");
        let _ =
            write!(text, "        engines: {engines},\n        heartbeat_ms: {heartbeat_ms},\n");
        let _ = write!(text, "        forget_ms: {forget_ms},\n        settle_ms: {settle_ms},\n");
        text.push_str("        steps: vec![\n");
        for (after, step) in &self.steps {
            let _ = writeln!(text, "            ({after}, Step::{step:?}),");
        }
        text.push_str("        ],\n    });\n}\n");
        text
    }
}

impl Draw<'_> {
    fn time(&mut self, heartbeat_ms: u32) -> Tick {
        let heartbeat = heartbeat_ms as usize;
        match self.choices.below(20) {
            0..6 => 0,
            6..12 => 1 + self.choices.below(40) as Tick,
            12..16 => 50 + self.choices.below(1_000) as Tick,
            16..18 => 1_000 + self.choices.below(4_000) as Tick,
            18 => self.choices.below(heartbeat * 5) as Tick,
            _ => self.choices.below(heartbeat * 40) as Tick,
        }
    }

    fn engine(&mut self) -> usize {
        self.choices.below(self.engines)
    }

    fn topic(&mut self) -> usize {
        self.choices.below(self.topics)
    }

    fn step(&mut self) -> Step {
        let (engine, topic) = (self.engine(), self.topic());
        let in_trouble = !self.troubles.is_empty() && self.choices.chance(350);
        if in_trouble {
            let troubles = std::mem::take(&mut self.troubles);
            let kind = *self.choices.pick(&troubles);
            self.troubles = troubles;
            return self.trouble(kind, engine);
        }
        match self.choices.below(10) {
            0..6 => {
                let bytes = *self.choices.pick(&[8, 8, 8, 8, 200, 600, 5_000]);
                Step::Publish { engine, topic, bytes }
            }
            6..9 => Step::Join { engine, topic },
            _ => Step::Leave { engine, topic },
        }
    }

    fn trouble(&mut self, kind: usize, engine: usize) -> Step {
        let (from, to) =
            (engine, (engine + 1 + self.choices.below(self.engines - 1)) % self.engines);
        let loses = self.choices.chance(500);
        let topic = if self.choices.chance(200) { TOPICS } else { self.topic() };
        match (kind, self.choices.chance(500)) {
            (0, _) => {
                let count = *self.choices.pick(&[1, 1, 1, 2, 3, 20]);
                Step::Drop { from, to, topic, count }
            }
            (1, true) => Step::Cut { from, to },
            (1, false) => Step::Heal { from, to },
            (2, _) => {
                let ms = *self.choices.pick(&[1, 5, 20, 100, 1_000, 3_000]);
                Step::Delay { from, to, ms }
            }
            (3, _) => Step::Again { from, to, topic, count: 1 + self.choices.below(4) },
            (4, true) => Step::Down { engine, loses },
            (4, false) => {
                let late_ms = *self.choices.pick(&[0, 0, 20, u64::from(self.settle_ms) * 2]);
                let frame_max = *self.choices.pick(&[10_000, 10_000, 400]);
                Step::Up { engine, late_ms, frame_max }
            }
            (5, true) => Step::Stall { engine },
            (5, false) => Step::Resume { engine },
            (6, true) => Step::Stick { engine },
            (6, false) => Step::Unstick { engine },
            (_, true) => match self.choices.chance(500) {
                true => Step::End { engine },
                false => Step::Crash { engine, loses },
            },
            (_, false) => Step::Start { engine, anew: self.choices.chance(300) },
        }
    }
}
