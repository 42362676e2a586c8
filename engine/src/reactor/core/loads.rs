//! How many connections each reactor has, and which of them a new one goes to.

use crate::reactor::core::counters::Counters;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// One reactor may have so many more than the one with the fewest, and the 128th part of what that
/// has: for less nobody is handed over.
const SLACK: u64 = 1;

/// How many connections each reactor has. The numbers are those of the counters, which each reactor
/// writes alone, and of connections that are on their way to it: who serves its own pays nothing.
#[derive(Debug)]
pub(crate) struct Loads(Vec<Load>);

/// On a cache line of its own: others write to it.
#[derive(Debug)]
#[repr(align(128))]
struct Load {
    counters: Arc<Counters>,
    /// Connections that were promised to it, and that it does not count yet.
    coming: AtomicU32,
    /// Connections that it takes; 0: it has not begun, or has ended.
    max: AtomicU32,
}

/// Why there is no place on a reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// It has not begun, or has ended, or never was.
    Closed,
    /// It has as many as it takes.
    Full,
}

impl Loads {
    pub(crate) fn new(counters: &[Arc<Counters>]) -> Arc<Self> {
        let none = |counters: &Arc<Counters>| Load {
            counters: Arc::clone(counters),
            coming: AtomicU32::new(0),
            max: AtomicU32::new(0),
        };
        Arc::new(Self(counters.iter().map(none).collect()))
    }

    /// A reactor takes so many connections from here on; with 0 none any more.
    pub(crate) fn takes(&self, reactor: u32, max: u32) {
        self.0[reactor as usize].max.store(max, Ordering::Relaxed);
    }

    /// Whether there is such a reactor.
    pub(crate) fn has(&self, reactor: u32) -> bool {
        (reactor as usize) < self.0.len()
    }

    /// Room for one more connection on a reactor. It is kept while the answer is.
    pub(crate) fn promise(self: &Arc<Self>, reactor: u32) -> Result<Promise, NoPlace> {
        let load = self.0.get(reactor as usize).ok_or(NoPlace::Closed)?;
        let max = match load.max.load(Ordering::Relaxed) {
            0 => return Err(NoPlace::Closed),
            max => u64::from(max),
        };
        load.coming.fetch_add(1, Ordering::Relaxed);
        let promise = Promise { loads: Arc::clone(self), reactor };
        if load.connections() > max { Err(NoPlace::Full) } else { Ok(promise) }
    }

    /// The reactors that take connections, those with the fewest first.
    pub(crate) fn in_order(&self) -> Vec<u32> {
        let takes = (0..).zip(&self.0).filter(|(_, load)| load.takes());
        let mut all: Vec<_> = takes.map(|(index, load)| (load.connections(), index)).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, index)| index).collect()
    }

    /// Where a connection that has come to a reactor goes, if that has noticeably more than
    /// another.
    pub(crate) fn elsewhere(self: &Arc<Self>, here: u32) -> Option<Promise> {
        let ours = self.0.get(here as usize)?.connections();
        let takes = (0..).zip(&self.0).filter(|(_, load)| load.takes());
        let (least, to) = takes.map(|(index, load)| (load.connections(), index)).min()?;
        if ours <= least + SLACK + least / 128 {
            return None;
        }
        let promise = self.promise(to).ok()?;
        // Others may have had the same thought at the same time.
        (self.0[to as usize].connections() <= ours).then_some(promise)
    }
}

impl Load {
    fn takes(&self) -> bool {
        self.max.load(Ordering::Relaxed) > 0
    }

    fn connections(&self) -> u64 {
        self.counters.connections.get() + u64::from(self.coming.load(Ordering::Relaxed))
    }
}

/// A place that is kept for a connection on its way.
#[derive(Debug)]
pub(crate) struct Promise {
    loads: Arc<Loads>,
    reactor: u32,
}

impl Promise {
    /// Whose.
    pub(crate) fn reactor(&self) -> u32 {
        self.reactor
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.loads.0[self.reactor as usize].coming.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(connections: &[u64]) -> Arc<Loads> {
        let counters: Vec<Arc<Counters>> = connections.iter().map(|_| Arc::default()).collect();
        let loads = Loads::new(&counters);
        for (index, &open) in (0..).zip(connections) {
            counters[index as usize].connections.add(open);
            loads.takes(index, 1_000);
        }
        loads
    }

    #[test]
    fn goes_where_the_fewest_are_if_that_is_noticeable() {
        let elsewhere = |all: &[u64]| of(all).elsewhere(0).map(|promise| promise.reactor());
        assert_eq!(elsewhere(&[7]), None);
        assert_eq!(elsewhere(&[1, 0]), None, "not for one");
        assert_eq!(elsewhere(&[2, 0]), Some(1));
        assert_eq!(elsewhere(&[9, 9, 3, 4]), Some(2));
        assert_eq!(elsewhere(&[3, 9, 9]), None);
        assert_eq!(elsewhere(&[907, 900]), None, "nor for one in a hundred");
        assert_eq!(elsewhere(&[909, 900]), Some(1));
    }

    #[test]
    fn what_is_promised_counts_until_it_has_come() {
        let loads = of(&[2, 0, 0]);
        let first = loads.elsewhere(0).expect("one has none");
        assert_eq!((first.reactor(), loads.in_order()), (1, vec![2, 1, 0]));
        let second = loads.elsewhere(0).expect("another has none");
        assert_eq!(second.reactor(), 2);
        assert!(loads.elsewhere(0).is_none(), "both have one now");
        drop(first);
        assert_eq!(loads.elsewhere(0).map(|promise| promise.reactor()), Some(1));
    }

    #[test]
    fn no_more_is_promised_than_there_is_room_for() {
        let loads = of(&[0, 0]);
        loads.takes(1, 2);
        let kept: Vec<_> = (0..2).map(|_| loads.promise(1).expect("room")).collect();
        assert_eq!(loads.promise(1).err(), Some(NoPlace::Full));
        drop(kept);
        assert!(loads.promise(1).is_ok());
        loads.takes(1, 0);
        assert_eq!(loads.promise(1).err(), Some(NoPlace::Closed));
        assert_eq!(loads.promise(2).err(), Some(NoPlace::Closed), "there is none");
        assert_eq!(loads.in_order(), [0]);
    }
}
