//! A broker in this process: forwards frames to whoever is interested, and loses what it is told
//! to.

use ringws_engine::broker::{Bus, Call, Inbound, Name, Port};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// What stands between engines.
#[derive(Clone, Default)]
pub(crate) struct Hub(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    sides: HashMap<u32, Side>,
    /// Frames that are forwarded before the rest is lost; `None`: all of them.
    left: Option<usize>,
    /// Each frame is forwarded twice.
    twice: bool,
    /// What came while it was held.
    held: Option<Vec<(u32, Name, Vec<u8>)>>,
}

struct Side {
    interests: HashSet<Name>,
    inbound: Inbound,
    connected: bool,
}

/// The end of the hub that an engine has.
pub(crate) struct Spoke {
    pub(crate) hub: Hub,
    pub(crate) number: u32,
}

const FRAME_MAX: usize = 100_000;

impl Bus for Spoke {
    fn run(self: Box<Self>, mut port: Port) {
        let Self { hub, number } = *self;
        let inbound = port.inbound();
        let side = Side { interests: HashSet::new(), inbound: inbound.clone(), connected: true };
        hub.0.lock().unwrap().sides.insert(number, side);
        inbound.up(FRAME_MAX);
        loop {
            match port.wait() {
                Call::Interest { topic, on } => {
                    let inner = &mut *hub.0.lock().unwrap();
                    let interests = &mut inner.sides.get_mut(&number).unwrap().interests;
                    let changed =
                        if on { interests.insert(topic) } else { interests.remove(&topic) };
                    assert!(changed, "each change is told once");
                }
                Call::Send { topic, frame } => hub.forward(number, &topic, &frame),
                Call::Stop => break,
            }
        }
        hub.0.lock().unwrap().sides.remove(&number);
    }
}

impl Hub {
    fn forward(&self, from: u32, topic: &Name, frame: &[u8]) {
        let mut inner = self.0.lock().unwrap();
        if let Some(held) = &mut inner.held {
            return held.push((from, Arc::clone(topic), frame.to_vec()));
        }
        if !inner.sides.get(&from).is_some_and(|side| side.connected) {
            return;
        }
        if let Some(left) = &mut inner.left {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => return,
            }
        }
        let times = 1 + usize::from(inner.twice);
        let hears = |side: &&Side| side.connected && side.interests.contains(topic);
        let inbounds: Vec<Inbound> =
            inner.sides.values().filter(hears).map(|side| side.inbound.clone()).collect();
        drop(inner);
        for inbound in inbounds.iter().flat_map(|inbound| std::iter::repeat_n(inbound, times)) {
            inbound.deliver(topic, frame);
        }
    }

    /// Forwards so many more frames, and loses what comes then.
    pub(crate) fn lose_after(&self, frames: usize) {
        self.0.lock().unwrap().left = Some(frames);
    }

    /// Loses nothing any more.
    pub(crate) fn heal(&self) {
        self.0.lock().unwrap().left = None;
    }

    pub(crate) fn double(&self) {
        self.0.lock().unwrap().twice = true;
    }

    /// Keeps what comes.
    pub(crate) fn hold(&self) {
        self.0.lock().unwrap().held = Some(Vec::new());
    }

    /// Brings what was kept.
    pub(crate) fn release(&self) {
        let held = self.0.lock().unwrap().held.take().unwrap_or_default();
        held.iter().for_each(|(from, topic, frame)| self.forward(*from, topic, frame));
    }

    /// An engine's connection breaks, or comes back.
    pub(crate) fn connect(&self, number: u32, up: bool) {
        let mut inner = self.0.lock().unwrap();
        let side = inner.sides.get_mut(&number).unwrap();
        side.connected = up;
        let inbound = side.inbound.clone();
        drop(inner);
        match up {
            true => inbound.up(FRAME_MAX),
            false => inbound.down("the test says so"),
        }
    }

    /// Whether an engine wants a topic.
    pub(crate) fn wants(&self, number: u32, topic: &[u8]) -> bool {
        let inner = self.0.lock().unwrap();
        inner.sides.get(&number).is_some_and(|side| side.interests.contains(topic))
    }

    /// Brings bytes to whoever wants the topic, as if an engine had sent them.
    pub(crate) fn inject(&self, topic: &[u8], frame: &[u8]) {
        let inner = self.0.lock().unwrap();
        let all: Vec<Inbound> = inner.sides.values().map(|side| side.inbound.clone()).collect();
        drop(inner);
        all.iter().for_each(|inbound| _ = inbound.deliver(topic, frame));
    }
}
