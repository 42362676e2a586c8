//! How an engine ends: what was asked for, how far one reactor is with it, and what came of it.

use crate::proto::CloseCode;
use crate::proto::close::REASON_MAX;
use crate::reactor::core::name::Conn;
use crate::reactor::core::wheel::NodeId;
use crate::tick::Tick;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Told how a drain went.
pub type OnDrained = Arc<dyn Fn(&Drained) + Send + Sync>;

/// How an engine is emptied. The times count from the call.
#[derive(Clone)]
pub struct Drain {
    /// Of the Close frames.
    pub code: CloseCode,
    /// Of the Close frames: at most 123 bytes.
    pub reason: String,
    /// For so long open connections are served on, while nobody is accepted and upgrades are
    /// answered with 503.
    pub serve: Duration,
    /// Then they are sent their Close, one after the other, evenly over so long.
    pub spread: Duration,
    /// Whoever is left then is aborted. Not before `serve` and `spread` are over.
    pub deadline: Duration,
    /// What refused upgrades are told: when to try again (`Retry-After`, RFC 9110 §10.2.3).
    pub retry_after: Duration,
    /// Called once, on the thread of the reactor that ends last, before
    /// [`Config::on_stopped`](crate::config::Config::on_stopped).
    pub on_drained: Option<OnDrained>,
}

impl Default for Drain {
    /// Close 1001 to all at once, and 30 seconds for them to answer.
    fn default() -> Self {
        Self {
            code: CloseCode::GOING_AWAY,
            reason: String::new(),
            serve: Duration::ZERO,
            spread: Duration::ZERO,
            deadline: Duration::from_secs(30),
            retry_after: Duration::from_secs(1),
            on_drained: None,
        }
    }
}

impl std::fmt::Debug for Drain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, reason, serve, spread, deadline, .. } = self;
        write!(f, "Drain {{ {code:?} {reason:?} {serve:?} {spread:?} {deadline:?} }}")
    }
}

/// Why an engine is not drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    /// A code that must not be sent, or a reason without a code.
    #[error("code: one that must not be sent, or none to a reason")]
    Code,
    /// The reason has over 123 bytes.
    #[error("reason: at most 123 bytes")]
    Reason,
    /// The deadline comes before all have been sent their Close.
    #[error("deadline: before serve and spread are over")]
    Deadline,
    /// It was asked to drain before, or is stopping.
    #[error("it drains or stops already")]
    Stopping,
}

impl Drain {
    pub(crate) fn check(&self) -> Result<(), DrainError> {
        if !self.code.can_say(&self.reason) {
            return Err(DrainError::Code);
        }
        if self.reason.len() > REASON_MAX {
            return Err(DrainError::Reason);
        }
        match self.serve.checked_add(self.spread) {
            Some(all) if all <= self.deadline => Ok(()),
            _ => Err(DrainError::Deadline),
        }
    }
}

macro_rules! drained {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// How a drain went. Each connection that was open when it began, and each that we have
        /// made since, is in one of the first four.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Drained {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The same of all reactors together: each adds its own when it ends.
        #[derive(Debug, Default)]
        pub(crate) struct Tally {
            $($name: AtomicU64,)*
        }

        impl Tally {
            pub(crate) fn add(&self, of_one: &Drained) {
                $(self.$name.fetch_add(of_one.$name, Ordering::Relaxed);)*
            }

            pub(crate) fn sum(&self) -> Drained {
                Drained { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }
    };
}

drained! {
    /// Ended by Close frames both ways.
    closed,
    /// The peer has not answered our Close in `close_timeout_ms`, or was silent before it.
    timed_out,
    /// Cut off at the deadline.
    aborted,
    /// Ended otherwise: by a reset, an abort of the application, a violation.
    lost,
    /// Upgrades that were answered with 503.
    refused,
    /// Connections that were accepted, and closed before they had asked for anything.
    unheard,
}

/// How far a reactor is with its end.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// What was asked for last; 0 while nothing was.
    pub(crate) word: u64,
    /// When whoever is left is aborted.
    pub(crate) deadline: Option<NodeId>,
    /// When the next are sent their Close.
    pub(crate) next: Option<NodeId>,
    /// Who is to be sent a Close, the next one last.
    left: Vec<Conn>,
    /// When the Close of the next one is due.
    due: Tick,
    /// How many there were in all, since when, and for how long.
    spread: (u64, Tick, u64),
    pub(crate) drained: Drained,
}

impl Ending {
    /// All of these are to be sent their Close within `over` milliseconds.
    pub(crate) fn begin(&mut self, mut all: Vec<Conn>, now: Tick, over: u64, random: u32) {
        self.spread = (all.len() as u64, now, over);
        all.reverse();
        self.left = all;
        self.plan(random);
    }

    /// Each has a part of the time for itself, and a random moment in that: even, and without a
    /// beat.
    fn plan(&mut self, random: u32) {
        let (all, since, over) = self.spread;
        let before = u128::from(all - self.left.len() as u64);
        let place = (before << 32) + u128::from(random);
        let at = u128::from(over) * place / (u128::from(all.max(1)) << 32);
        self.due = since.saturating_add(at as u64);
    }

    /// The next one whose time has come.
    pub(crate) fn pop_due(&mut self, now: Tick, random: u32) -> Option<Conn> {
        if self.due > now {
            return None;
        }
        let next = self.left.pop();
        self.plan(random);
        next
    }

    /// All that are left, at once.
    pub(crate) fn hurry(&mut self) {
        self.spread.2 = 0;
        self.due = 0;
    }

    /// When the next one is due; `None` when nobody is left.
    pub(crate) fn due(&self) -> Option<Tick> {
        (!self.left.is_empty()).then_some(self.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The moments of `count` connections over `over` milliseconds.
    fn moments(count: u32, over: u64) -> Vec<Tick> {
        let mut random = 1u32;
        let mut next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random
        };
        let all = (0..count).map(|at| Conn::new(0, at, 0)).collect();
        let mut ending = Ending::default();
        ending.begin(all, 1000, over, next());
        let mut moments = Vec::new();
        while let Some(due) = ending.due() {
            assert!(ending.pop_due(due.saturating_sub(1), 0).is_none() || due == 0);
            let conn = ending.pop_due(due, next()).expect("due");
            assert_eq!(conn.slot(), moments.len() as u32, "in their order");
            moments.push(due - 1000);
        }
        moments
    }

    #[test]
    fn closes_are_spread_evenly() {
        for (count, over) in [(1, 5000), (10, 5000), (10_000, 5000), (60_000, 30)] {
            let moments = moments(count, over);
            assert_eq!(moments.len(), count as usize);
            assert!(moments.is_sorted() && moments.iter().all(|&at| at < over));
            for second in 0..over / 1000 {
                let within = |at: &&Tick| **at / 1000 == second;
                let found = moments.iter().filter(within).count() as u64;
                let even = u64::from(count) * 1000 / over;
                assert!(found.abs_diff(even) <= 1, "{found} of {count} in second {second}");
            }
        }
        assert!(moments(100, 0).iter().all(|&at| at == 0));
        assert!(moments(0, 5000).is_empty());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let seconds = Duration::from_secs;
        let good = Drain { serve: seconds(1), spread: seconds(29), ..Drain::default() };
        assert_eq!(good.check(), Ok(()));
        let late = Drain { spread: seconds(30), ..good.clone() };
        assert_eq!(late.check(), Err(DrainError::Deadline));
        let long = Drain { reason: "x".repeat(124), ..good.clone() };
        assert_eq!(long.check(), Err(DrainError::Reason));
        for code in [CloseCode::ABNORMAL, CloseCode(999), CloseCode(5000)] {
            assert_eq!(Drain { code, ..good.clone() }.check(), Err(DrainError::Code));
        }
        let bare = Drain { code: CloseCode::NO_STATUS, reason: "x".into(), ..good };
        assert_eq!(bare.check(), Err(DrainError::Code));
    }
}
