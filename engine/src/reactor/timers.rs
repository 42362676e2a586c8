//! Timers of the application: closures on the wheel.

use super::ctx::Context;
use super::name::Timer;
use super::wheel::{NodeId, Wheel};
use crate::tick::Tick;

/// Marks keys of the wheel that name a timer; the rest of the key is the timer's index.
pub(super) const TIMER_KEY: u64 = 1 << 63;

type Callback = Box<dyn FnOnce(&mut Context) + Send>;

struct Entry {
    generation: u32,
    armed: Option<(NodeId, Callback)>,
}

/// The timers of one reactor.
#[derive(Default)]
pub(super) struct Timers {
    entries: Vec<Entry>,
    vacant: Vec<u32>,
}

impl Timers {
    pub(super) fn start(&mut self, wheel: &mut Wheel, at: Tick, callback: Callback) -> Timer {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.entries.push(Entry { generation: 1, armed: None });
            (self.entries.len() - 1) as u32
        });
        let node = wheel.insert(at, TIMER_KEY | u64::from(index));
        let entry = &mut self.entries[index as usize];
        entry.armed = Some((node, callback));
        Timer(u64::from(entry.generation) << 32 | u64::from(index))
    }

    pub(super) fn cancel(&mut self, wheel: &mut Wheel, timer: Timer) -> bool {
        let index = timer.0 as u32;
        let Some(entry) = self.entries.get_mut(index as usize) else { return false };
        if u64::from(entry.generation) != timer.0 >> 32 {
            return false;
        }
        let Some((node, _)) = entry.armed.take() else { return false };
        wheel.remove(node);
        self.vacate(index);
        true
    }

    /// The callback of a node that fired.
    pub(super) fn fire(&mut self, key: u64) -> Option<Callback> {
        let index = (key & !TIMER_KEY) as u32;
        let (_, callback) = self.entries.get_mut(index as usize)?.armed.take()?;
        self.vacate(index);
        Some(callback)
    }

    fn vacate(&mut self, index: u32) {
        let entry = &mut self.entries[index as usize];
        entry.generation = entry.generation.wrapping_add(1).max(1);
        self.vacant.push(index);
    }
}
