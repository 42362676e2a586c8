//! The wait of a turn: what has happened, and what comes of it.

use super::kernel::{ALARM, BELL, Epoll, LISTENER};
use super::sockets::OTHERS;
use super::sys;
use crate::ring::{Completion, Errno, Kernel, KernelError};
use rustix::event::epoll::EventFlags;
use std::time::{Duration, Instant};

/// Events that end a wait which gathers them: waking costs little beside so many.
const GATHER_MAX: usize = 64;
/// How long a wait may last when receives are starved and all buffers are leased or retained.
const STARVED_WAIT: Duration = Duration::from_millis(1);

impl Epoll {
    pub(super) fn wait_for(
        &mut self,
        timeout: Option<Duration>,
        completions: &mut Vec<Completion>,
    ) -> Result<(), KernelError> {
        self.send_all();
        self.lines.feed();
        let pending = !self.ready.is_empty();
        // What was sent at once is told without a look at the others; but not twice in a row, lest
        // one connection that is always ready hides them. Whoever polls our descriptor by edge is
        // not told again of what was there before, so there each turn looks.
        if pending && !self.skipped && self.lines.len() == 0 && self.alarm.is_none() {
            self.skipped = true;
        } else {
            self.skipped = false;
            let at_once = pending || self.has_work();
            let timeout = if at_once { Some(Duration::ZERO) } else { self.patience(timeout) };
            self.look(timeout)?;
            self.lines.feed();
            self.accept_all();
            self.receive_all();
        }
        self.now_us = self.clock_us();
        self.stats.completions += self.ready.len() as u64;
        completions.append(&mut self.ready);
        Ok(())
    }

    /// Whether there is something to be tried without anything happening.
    pub(super) fn has_work(&self) -> bool {
        self.lines.len() > 0 || self.listening.iter().any(|one| one.readable && one.wanted > 0)
    }

    /// How long may be waited, where nothing tells us when another thread gives a buffer back.
    pub(super) fn patience(&self, timeout: Option<Duration>) -> Option<Duration> {
        match self.lines.starve_some() {
            true => Some(timeout.map_or(STARVED_WAIT, |timeout| timeout.min(STARVED_WAIT))),
            false => timeout,
        }
    }

    /// Waits until something happens or `timeout` is over, and notes it.
    fn look(&mut self, timeout: Option<Duration>) -> Result<(), KernelError> {
        let blocks = timeout != Some(Duration::ZERO);
        let (mut count, begun) = (0, Instant::now());
        if blocks && !self.busy_poll.is_zero() {
            count = self.spin(timeout)?;
        }
        if count == 0 {
            count = self.ask(timeout)?;
        }
        self.note(count);
        if blocks && count > 0 && count < GATHER_MAX && !self.coalesce.is_zero() {
            // A timer that is due meanwhile does not wait for it.
            let left = timeout.map(|timeout| timeout.saturating_sub(begun.elapsed()));
            std::thread::sleep(left.map_or(self.coalesce, |left| left.min(self.coalesce)));
            let more = self.ask(Some(Duration::ZERO))?;
            self.note(more);
        }
        Ok(())
    }

    /// Looks for events without sleeping, for `busy_poll` at most.
    fn spin(&mut self, timeout: Option<Duration>) -> Result<usize, KernelError> {
        let limit = timeout.map_or(self.busy_poll, |timeout| timeout.min(self.busy_poll));
        let start = Instant::now();
        loop {
            let count = self.ask(Some(Duration::ZERO))?;
            if count > 0 || start.elapsed() >= limit {
                return Ok(count);
            }
            std::hint::spin_loop();
        }
    }

    fn ask(&mut self, mut timeout: Option<Duration>) -> Result<usize, KernelError> {
        loop {
            self.stats.enters += 1;
            match sys::wait(&self.poll, &mut self.events, timeout) {
                // A signal, or the process was stopped: whoever is judged by the time must be
                // heard first, so the kernel is asked what has come meanwhile.
                Err(Errno::INTR) => timeout = Some(Duration::ZERO),
                Err(errno) => return Err(KernelError { call: "epoll_wait", errno }),
                Ok(count) => return Ok(count),
            }
        }
    }

    fn note(&mut self, count: usize) {
        self.more = count == sys::EVENTS_MAX;
        let mut woken = false;
        for index in 0..count {
            let Some((name, flags)) = self.events.get(index) else { break };
            match name {
                // By edge, so nothing has to be read: each wake is one.
                BELL => woken = true,
                ALARM => self.due = None,
                _ if name & OTHERS != 0 => {
                    let listening = self.listening.get_mut((name & !LISTENER) as usize);
                    listening.into_iter().for_each(|one| one.readable = true);
                }
                _ => self.happened(name, flags),
            }
        }
        if woken {
            self.ready.push(Completion::Woken);
        }
    }

    #[inline]
    fn happened(&mut self, name: u64, flags: EventFlags) {
        const ROOM: EventFlags = EventFlags::OUT.union(EventFlags::HUP).union(EventFlags::ERR);
        let Some((fd, local)) = self.sockets.named(name) else { return };
        local.told(flags);
        let (waits, connects) = (local.send.is_some(), local.connects);
        if connects && flags.intersects(ROOM) {
            self.dialed(fd);
        } else if waits && flags.intersects(ROOM) {
            self.resend(fd);
        }
        self.line_up(fd);
    }
}
