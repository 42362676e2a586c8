//! How many upgrades an endpoint takes in a second, whoever asks: what keeps those served who are
//! in when all come back at once. The reactors share it, and touch it once per upgrade.

use crate::tick::Tick;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;
const TICK: u64 = 1_000_000;
/// Nobody is told to wait for longer, in seconds: those who ask without end must not keep others
/// away when they have gone.
const TOLD_MAX: u64 = 60;

/// Upgrades of an endpoint, of all addresses together; 0: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// In a second, on the average; beyond them they are answered with 503, and told when there
    /// will be room for them: no more in each second than are taken in it.
    pub upgrades_per_second: u32,
    /// So many may come at once; 0: as many as in a second.
    pub upgrades_burst: u32,
}

/// Where upgrades of an endpoint are counted. The rate is kept as times (a GCRA): a word each, and
/// nothing that has to be filled while nobody comes.
#[derive(Debug)]
pub(crate) struct Door {
    /// Between two upgrades at that rate.
    interval: u64,
    /// How far ahead of the clock `taken` may be.
    burst: u64,
    /// When all that were taken would have come at that rate.
    taken: AtomicU64,
    /// When all that were told to come again will have been taken.
    promised: AtomicU64,
}

impl Door {
    /// `None`: it is always open.
    pub(crate) fn new(admission: Admission) -> Option<Self> {
        let Admission { upgrades_per_second: rate, upgrades_burst: burst } = admission;
        let burst = u64::from(if burst == 0 { rate } else { burst });
        let interval = SECOND.checked_div(u64::from(rate))?;
        let (taken, promised) = Default::default();
        Some(Self { interval, burst: burst * interval, taken, promised })
    }

    /// One more asks. Otherwise in how many seconds it may ask again.
    pub(crate) fn ask(&self, now: Tick) -> Result<(), u64> {
        let now = now * TICK;
        let one = |most: u64| {
            move |at: u64| {
                let at = at.max(now) + self.interval;
                (at - now <= most).then_some(at)
            }
        };
        // Neither word guards anything else.
        if self.taken.fetch_update(Relaxed, Relaxed, one(self.burst)).is_ok() {
            return Ok(());
        }
        let most = TOLD_MAX * SECOND;
        let told = self.promised.fetch_update(Relaxed, Relaxed, one(most));
        let ahead = told.map_or(most, |before| before.max(now) + self.interval - now);
        Err(ahead.div_ceil(SECOND).clamp(1, TOLD_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(upgrades_per_second: u32, upgrades_burst: u32) -> Door {
        Door::new(Admission { upgrades_per_second, upgrades_burst }).unwrap()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let door = door(10, 3);
        let taken = |now| (0..9).take_while(|_| door.ask(now).is_ok()).count();
        assert_eq!([taken(5_000), taken(5_099), taken(5_100), taken(5_350)], [3, 0, 1, 2]);
        assert_eq!(taken(4_000), 0, "a clock that is behind brings nothing");
        assert_eq!(taken(60_000), 3, "no more than the burst has gathered");
        assert!(Door::new(Admission::default()).is_none(), "no limit");
    }

    #[test]
    fn who_must_wait_is_told_a_second_in_which_there_is_room() {
        let door = door(100, 10);
        let told: Vec<u64> = (0..1_010).filter_map(|_| door.ask(0).err()).collect();
        assert_eq!(told.len(), 1_000);
        for second in 1..=10 {
            assert_eq!(told.iter().filter(|told| **told == second).count(), 100, "{second}");
        }
        let told: Vec<u64> = (0..9_000).filter_map(|_| door.ask(0).err()).collect();
        assert_eq!(told.iter().max(), Some(&TOLD_MAX), "and never longer");
        // What was promised is over when its time is.
        while door.ask(TOLD_MAX * 1_000).is_ok() {}
        assert_eq!(door.ask(TOLD_MAX * 1_000), Err(1));
    }

    #[test]
    fn extremes() {
        let fast = door(u32::MAX, u32::MAX);
        assert!((0..100_000).all(|_| fast.ask(1).is_ok()));
        let slow = door(1, 1);
        assert_eq!([slow.ask(7), slow.ask(7), slow.ask(1_007)], [Ok(()), Err(1), Ok(())]);
    }

    #[test]
    fn reactors_share_it() {
        let door = door(1_000, 500);
        let taken = std::thread::scope(|scope| {
            let ask = || (0..1_000).filter(|_| door.ask(3).is_ok()).count();
            let all = [(); 4].map(|()| scope.spawn(ask));
            all.into_iter().map(|one| one.join().unwrap()).sum::<usize>()
        });
        assert_eq!(taken, 500);
    }
}
