//! What must happen in time: the upgrade, a sign of life, the closing handshake.

use super::{Connection, Disposition, Env, Failure, Limits};
use crate::tick::Tick;

/// The two instants that all deadlines of a connection are counted from.
#[derive(Debug)]
pub(super) struct Clock {
    /// When the peer was last heard.
    heard: Tick,
    /// What it marks depends on the [`Stage`].
    mark: Tick,
}

/// Which deadline applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Until the upgrade is accepted. Marked: the creation.
    Opening,
    /// Open. Marked: the last Ping for lack of a sign of life.
    Open,
    /// Open, and not reading. Marked: the last progress of what is being sent.
    Paused,
    /// Our Close is queued, or there is nothing left but to end. Marked: since when.
    Closing,
    /// No deadline any more.
    Over,
}

impl Clock {
    pub(super) fn new(now: Tick) -> Self {
        Self { heard: now, mark: now }
    }

    /// The peer sent something.
    #[inline]
    pub(super) fn heard(&mut self, now: Tick) {
        self.heard = now;
    }

    /// What the stage marks has happened, or a new stage begins.
    #[inline]
    pub(super) fn mark(&mut self, now: Tick) {
        self.mark = now;
    }
}

impl Connection {
    /// When `expired` wants to be called, at the latest. It moves later while traffic flows;
    /// asking again when the old one has passed is enough. It moves nearer only when the upgrade
    /// is answered, when the closing handshake begins or ends, and when reading is stopped or
    /// started: ask then.
    pub fn deadline(&self, limits: &Limits) -> Option<Tick> {
        let Clock { heard, mark } = self.clock;
        match self.stage() {
            Stage::Opening => after(mark, limits.handshake_timeout_ms),
            Stage::Open => {
                // A Ping is out when it was sent after the last sign of life.
                let waiting = if mark > heard { limits.idle_timeout_ms } else { half(limits) };
                after(heard, limits.idle_timeout_ms).and(after(heard, waiting))
            }
            Stage::Paused => after(mark, limits.idle_timeout_ms),
            Stage::Closing => after(mark, limits.close_timeout_ms),
            Stage::Over => None,
        }
    }

    /// Called when the deadline has passed: queues a Ping, or fails with
    /// [`Failure::TimedOut`]. Before the deadline it does nothing.
    pub fn expired(&mut self, env: &mut Env<'_>) {
        if self.deadline(env.limits).is_none_or(|deadline| deadline > env.now) {
            return;
        }
        match self.stage() {
            Stage::Open => {
                let end = after(self.clock.heard, env.limits.idle_timeout_ms);
                if end.is_some_and(|end| end > env.now) {
                    self.clock.mark(env.now);
                    self.outbox.ping(env);
                } else {
                    self.time_out();
                }
            }
            // Nothing waits to be sent, so nothing is late.
            Stage::Paused if self.outbox.buffered() == 0 => self.clock.mark(env.now),
            Stage::Opening | Stage::Paused | Stage::Closing => self.time_out(),
            Stage::Over => {}
        }
    }

    /// Reading was stopped or started again by the application. While stopped, silence of the
    /// peer is no fault, but a send without progress for `idle_timeout_ms` is. The closing
    /// handshake keeps its own timeout.
    pub fn set_paused(&mut self, paused: bool, now: Tick) {
        if self.paused == paused {
            return;
        }
        self.paused = paused;
        if matches!(self.stage(), Stage::Open | Stage::Paused) {
            // Either way the time starts anew, and no Ping is out.
            self.clock = Clock::new(now);
        }
    }

    /// What is being sent has moved on, or begins: only that counts while reading is stopped.
    #[inline]
    pub(super) fn note_progress(&mut self, now: Tick) {
        if self.paused && self.stage() == Stage::Paused {
            self.clock.mark(now);
        }
    }

    fn stage(&self) -> Stage {
        match self.disposition() {
            Disposition::Abort => Stage::Over,
            Disposition::Finish | Disposition::Await => Stage::Closing,
            Disposition::Open if self.close_sent() => Stage::Closing,
            Disposition::Open if !self.opened() => Stage::Opening,
            Disposition::Open if self.paused => Stage::Paused,
            Disposition::Open => Stage::Open,
        }
    }

    fn time_out(&mut self) {
        // That a peer is slow to end TCP after the closing handshake is not worth a failure.
        let failure = self.cut_short().unwrap_or(Failure::TimedOut);
        self.give_up((self.disposition() == Disposition::Open).then_some(failure));
    }
}

/// `u32::MAX` is never.
fn after(start: Tick, timeout_ms: u32) -> Option<Tick> {
    (timeout_ms != u32::MAX).then(|| start.saturating_add(Tick::from(timeout_ms)))
}

/// Silence that is answered with a Ping. At least one tick, so that a Ping is always later than
/// the last sign of life.
fn half(limits: &Limits) -> u32 {
    (limits.idle_timeout_ms / 2).max(1)
}
