//! The histories of the topics of an engine, each under the lock of its topic: who reads them, and
//! when they end.

use super::directory::Directory;
use super::history::{Log, Read};
use super::topics::Name;
use crate::bus::Position;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// What of a history somebody has not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unread {
    /// Where to read on.
    pub(crate) place: u64,
    /// Nothing of it has left.
    pub(crate) is_whole: bool,
}

impl Directory {
    fn log<T>(&self, name: &[u8], body: impl FnOnce(&mut Log) -> T) -> Option<T> {
        let history = self.history.get()?;
        self.lock(name).logs.get_mut(name).map(|log| {
            log.evict(history, history.now());
            body(log)
        })
    }

    /// What was published behind a position; `None` where there is no history.
    pub(crate) fn unread(&self, name: &[u8], heard: &Position) -> Option<Unread> {
        self.log(name, |log| Unread {
            place: log.first_unheard(heard),
            is_whole: log.is_whole_behind(heard),
        })
    }

    /// What comes from a place on and was not heard: see [`Log::read`].
    pub(crate) fn read(
        &self,
        name: &[u8],
        place: u64,
        heard: &Position,
        room: usize,
    ) -> Option<Read> {
        self.log(name, |log| log.read(place, heard, room))
    }

    /// What somebody has heard who has heard all so far; meanwhile nothing is published. `None`
    /// where there is no history.
    pub(crate) fn position(&self, name: &[u8], meanwhile: impl FnOnce()) -> Option<Position> {
        let history = self.history.get()?;
        let shard = &mut *self.lock(name);
        let log = self.begin_log(shard, &name.into())?;
        log.touch(history.now());
        meanwhile();
        Some(log.position())
    }

    /// What is too old leaves, and so do histories of topics that nobody has been in for long. How
    /// many are left.
    pub(crate) fn sweep(&self) -> usize {
        let Some(history) = self.history.get() else { return 0 };
        let mut left = 0;
        for shard in &self.shards {
            let shard = &mut *shard.lock().unwrap_or_else(PoisonError::into_inner);
            let now = history.now();
            shard.logs.values_mut().for_each(|log| log.evict(history, now));
            let over = |(name, log): (&Name, &Log)| {
                (log.is_over(now) && shard.interests(name).is_empty()).then(|| Name::clone(name))
            };
            let over: Vec<Name> = shard.logs.iter().filter_map(over).collect();
            for name in over {
                let Some(log) = shard.logs.remove(&name) else { continue };
                // Its numbers are not given again.
                self.floor.fetch_max(log.spoken.number.seq, Ordering::Relaxed);
                log.end(history);
                self.tell_interest(&name, false);
            }
            left += shard.logs.len();
        }
        left
    }
}
