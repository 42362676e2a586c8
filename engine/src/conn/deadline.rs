//! What must happen in time: the upgrade, a sign of life, the closing handshake.
//!
//! Nobody is judged by what has not left: a Ping proves nothing while it waits behind data, and the
//! peer cannot answer a Close that it cannot have seen. Until then only a lack of progress counts.

use super::clock::{Clock, Ping, Probe, RoundTrip};
use super::state::Expecting;
use super::{Connection, Disposition, Env, Failure, Limits, Reading, Timeout};
use crate::proto::handshake::Refusal;
use crate::tick::Tick;

/// Which deadline applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Until the upgrade is accepted, or another request has come. Marked: the creation, or when
    /// the request began.
    Opening,
    /// All requests are answered, and no other has begun. Marked: when the last answer was queued.
    Between,
    /// Open. Marked: when the last Ping for lack of a sign of life was queued, then when it left.
    Open,
    /// Open, and not reading. Marked: the last progress of what is being sent.
    Paused,
    /// The same, and the peer has ended its direction. Marked: since when.
    HungUp,
    /// Our Close is queued, or there is nothing left but to end. Marked: the last progress, until
    /// all has left.
    Closing,
    /// No deadline any more.
    Over,
}

impl Connection {
    /// When `expired` wants to be called, at the latest. It moves later while traffic flows;
    /// asking again when the old one has passed is enough. It moves nearer only when the upgrade
    /// is answered, when the closing handshake begins or ends, when the peer ends its direction,
    /// and when reading is stopped or started: ask then.
    pub fn deadline(&self, limits: &Limits) -> Option<Tick> {
        let judged = self.judged_at(limits);
        if self.deflation.all_go_the_long_way()
            && let Some(at) = self.too_old_at(limits)
        {
            return Some(judged.map_or(at, |judged| judged.min(at)));
        }
        judged
    }

    /// The same, whatever waits in the queue.
    #[inline]
    fn judged_at(&self, limits: &Limits) -> Option<Tick> {
        let Clock { heard, mark } = self.clock;
        let idle = limits.idle_timeout_ms;
        match self.stage() {
            Stage::Opening => after(mark, limits.handshake_timeout_ms),
            // Room that the peer makes for an answer is a sign of life.
            Stage::Between => after(mark.max(heard), idle),
            // A Ping is out when it was queued after the last sign of life. The peer has all of
            // the idle time, and in any case half of it since the Ping has left.
            Stage::Open if mark > heard => after(heard, idle).max(after(mark, half(limits))),
            Stage::Open => after(heard, idle).and(after(heard, half(limits))),
            Stage::Paused | Stage::HungUp => after(mark, idle),
            Stage::Closing => after(mark, limits.close_timeout_ms),
            Stage::Over => None,
        }
    }

    /// Whether [`Connection::expired`] would end the connection for want of a sign that the
    /// transport may have seen, and we have not: that the peer takes what waits for it.
    pub(crate) fn is_judged_by_progress(&self, limits: &Limits, now: Tick) -> bool {
        if self.judged_at(limits).is_none_or(|at| at > now) {
            return false;
        }
        match self.stage() {
            Stage::Open => self.clock.mark > self.clock.heard,
            Stage::Paused | Stage::Between => self.outbox.buffered() > 0,
            // Our Close counts from when it has left, which is not when the kernel has taken it.
            Stage::Closing => true,
            Stage::Opening | Stage::HungUp | Stage::Over => false,
        }
    }

    /// The transport has seen that the peer took what had waited for it: a sign of life, of then.
    pub(crate) fn has_progressed(&mut self, at: Tick, limits: &Limits, now: Tick) {
        if self.is_judged_by_progress(limits, now) {
            let marks = matches!(self.stage(), Stage::Paused | Stage::Closing);
            self.clock.heard(self.clock.heard.max(at));
            if marks {
                self.clock.mark(self.clock.mark.max(at));
            }
        }
    }

    /// Called when the deadline has passed: queues a Ping, gives up what an application that does
    /// not read has left unread, or fails with [`Failure::TimedOut`]. Before the deadline it does
    /// nothing.
    pub fn expired(&mut self, env: &mut Env<'_>) {
        if self.deadline(env.limits).is_none_or(|deadline| deadline > env.now) {
            return;
        }
        if self.act_on_age(env) || self.judged_at(env.limits).is_none_or(|at| at > env.now) {
            return;
        }
        let limits = env.limits;
        match self.stage() {
            Stage::Open if self.clock.mark > self.clock.heard => match self.ping {
                Ping::Left => self.time_out(Timeout::Silence(half(limits))),
                Ping::Queued | Ping::Out => self.time_out(Timeout::Stuck(limits.idle_timeout_ms)),
            },
            Stage::Open => {
                self.clock.mark(env.now);
                self.ask_for_life(env);
            }
            // Nothing waits to be sent, so nothing is late.
            Stage::Paused if self.outbox.buffered() == 0 => self.clock.mark(env.now),
            Stage::Paused => self.time_out(Timeout::Stuck(limits.idle_timeout_ms)),
            Stage::HungUp => {
                self.discard_input();
                self.clock.mark(env.now);
            }
            Stage::Opening => self.too_late_to_open(env),
            // In order (RFC 9112 §9.5): what is still queued nobody reads.
            Stage::Between if self.outbox.buffered() == 0 => self.finish("", env),
            Stage::Between => self.time_out(Timeout::Stuck(limits.idle_timeout_ms)),
            Stage::Closing if self.outbox.has_sent_data() => {
                self.time_out(Timeout::Closing(limits.close_timeout_ms));
            }
            Stage::Closing => self.time_out(Timeout::Stuck(limits.close_timeout_ms)),
            Stage::Over => {}
        }
    }

    /// A Ping for the round trip alone: whoever is silent is judged as ever. None while the one
    /// before has no answer, or nobody would hear that.
    pub(crate) fn measure(&mut self, env: &mut Env<'_>) {
        let waits = self.rare.as_ref().is_some_and(|rare| rare.asked_ping.is_some());
        if self.stage() == Stage::Open && !waits {
            self.ask_for_life(env);
        }
    }

    /// Queues a Ping. One that follows another without an answer says the same: its Pong may be
    /// that of either (RFC 6455 §5.5.3), so it measures nothing.
    fn ask_for_life(&mut self, env: &mut Env<'_>) {
        let before = self.rare.as_ref().and_then(|rare| rare.asked_ping);
        let probe = match before {
            Some(probe) => Probe { left_us: 0, repeated: true, ..probe },
            None => Probe::new(env.tools.keys.next_key()),
        };
        self.ping = Ping::Queued;
        self.rare().asked_ping = Some(probe);
        self.outbox.ping(&probe.says, env);
    }

    /// Whether a Pong answers a Ping of ours: then the application does not see it.
    pub(super) fn is_answer(&mut self, pong: &[u8], env: &mut Env<'_>) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        let Some(probe) = rare.asked_ping.take_if(|probe| probe.says == *pong) else {
            return false;
        };
        if probe.left_us != 0 {
            let rtt = env.tools.now_us.saturating_sub(probe.left_us).max(1);
            self.round_trip = RoundTrip::new(rtt);
            env.tools.tally.answered(rtt);
        }
        self.drop_empty_rare();
        true
    }

    /// The round trip of the last Ping of ours that was answered, in microseconds; 0 before.
    pub fn rtt_us(&self) -> u32 {
        self.round_trip.us()
    }

    /// A server says so (RFC 9110 §15.5.9), or that it has no answer yet (§15.6.4); a client has
    /// nothing more to say.
    fn too_late_to_open(&mut self, env: &mut Env<'_>) {
        let timeout = Timeout::Opening(env.limits.handshake_timeout_ms);
        if self.asked().is_some() || self.outbox.masks() {
            return self.time_out(timeout);
        }
        env.tools.tally.refused(408);
        let status = if self.awaits_answer() { 503 } else { 408 };
        self.begin_answer();
        self.reject(&Refusal::new(status), env);
        self.rare().failure = Some(Failure::TimedOut(timeout));
    }

    /// The peer has made room for bytes that it had none for before: a sign of life. That the
    /// transport has taken bytes for which it had room already is none.
    #[inline]
    pub fn room_made(&mut self, now: Tick) {
        self.clock.heard(now);
    }

    /// A batch is handed out.
    #[inline]
    pub(super) fn note_handed_out(&mut self, is_rest: bool) {
        if self.ping == Ping::Queued && !is_rest {
            self.ping = Ping::Out;
        }
    }

    /// What is being sent has moved on: only that counts while reading is stopped, and until our
    /// Close has left.
    #[inline]
    pub(super) fn note_progress(&mut self, now: Tick, now_us: u64) {
        if self.ping == Ping::Out && !self.outbox.has_rest() {
            self.note_ping_left(now, now_us);
        }
        if self.reading != Reading::Deliver
            || self.close_sent()
            || self.expecting == Expecting::Done
        {
            self.note_progress_that_counts(now);
        }
    }

    #[cold]
    fn note_ping_left(&mut self, now: Tick, now_us: u64) {
        self.ping = Ping::Left;
        if self.stage() == Stage::Open && self.clock.mark > self.clock.heard {
            self.clock.mark(now);
        }
        if let Some(rare) = &mut self.rare
            && let Some(probe) = &mut rare.asked_ping
        {
            probe.left_us = if probe.repeated { 0 } else { now_us };
        }
    }

    #[cold]
    fn note_progress_that_counts(&mut self, now: Tick) {
        let ends = self.close_sent() || self.expecting == Expecting::Done;
        if ends && !self.outbox.all_left {
            self.clock.mark(now);
            self.outbox.all_left = self.outbox.has_sent_data();
        } else if self.stage() == Stage::Paused {
            self.clock.mark(now);
        }
    }

    /// Reading was stopped or begun: the time starts anew, and no Ping is out.
    pub(super) fn restart_clock(&mut self, now: Tick) {
        if matches!(self.stage(), Stage::Open | Stage::Paused | Stage::HungUp) {
            self.clock = Clock::new(now);
        }
    }

    /// The queue begins to fill: the time without progress is counted from here.
    #[inline]
    pub(super) fn note_first_queued(&mut self, now: Tick) {
        if self.reading != Reading::Deliver && self.stage() == Stage::Paused {
            self.clock.mark(now);
        }
    }

    fn stage(&self) -> Stage {
        match self.disposition() {
            Disposition::Abort => Stage::Over,
            Disposition::Finish | Disposition::Await => Stage::Closing,
            Disposition::Open if self.close_sent() => Stage::Closing,
            Disposition::Open if !self.opened() && self.is_between_requests() => Stage::Between,
            Disposition::Open if !self.opened() => Stage::Opening,
            Disposition::Open => match self.reading {
                Reading::Deliver => Stage::Open,
                Reading::Hold if self.hung_up => Stage::HungUp,
                Reading::Hold => Stage::Paused,
                // Nobody waits for the application any more; what is left is read to its end.
                Reading::Discard => Stage::Closing,
            },
        }
    }

    fn time_out(&mut self, timeout: Timeout) {
        // That a peer is slow to end TCP after the closing handshake is not worth a failure.
        let in_order = self.disposition() != Disposition::Open && self.outbox.has_sent_data();
        let failure = self.cut_short().unwrap_or(Failure::TimedOut(timeout));
        self.give_up((!in_order).then_some(failure));
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
