//! Log lines: where they go, that nobody pays for those that go nowhere, and that what happens
//! often is not told as often.

use crate::tick::Tick;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// Of what may happen often, a line in so many milliseconds.
const EVERY_MS: Tick = 10_000;

/// A turn of so many milliseconds is told: peers have noticed.
pub(crate) const LONG_MS: Tick = 1_000;

/// Where log lines go: a level and a line. Any thread.
pub type Log = Arc<dyn Fn(Level, &str) + Send + Sync>;

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// The engine cannot do what it was asked.
    Error = 1,
    /// Something is worse than it could be.
    Warn = 2,
    /// What was chosen.
    Info = 3,
}

/// What may happen often. Each has a rate of its own.
#[derive(Clone, Debug, Default)]
struct Often {
    /// No line before this.
    next: Tick,
    /// Since the last one.
    untold: u64,
}

impl Often {
    /// Whether it is told this time: then how many others were not since the last line.
    fn admit(&mut self, now: Tick) -> Option<u64> {
        if now < self.next {
            self.untold += 1;
            return None;
        }
        self.next = now + EVERY_MS;
        Some(std::mem::take(&mut self.untold))
    }
}

/// The log of one reactor, or of none: lines begin with the reactor's number.
#[derive(Clone, Default)]
pub struct Logger {
    log: Option<Log>,
    reactor: u32,
    long_turns: Often,
    memory: Often,
    proxies: Often,
    #[cfg(feature = "tls")]
    tls_failures: Often,
}

impl Logger {
    /// Silent without `log`.
    pub fn new(log: Option<Log>, reactor: u32) -> Self {
        Self { log, reactor, ..Self::default() }
    }

    /// Writes a line. Formatted only if somebody reads it.
    pub fn line(&self, level: Level, text: fmt::Arguments<'_>) {
        if let Some(log) = &self.log {
            log(level, &format!("reactor {}: {text}", self.reactor));
        }
    }

    /// A turn that began to act at `began` has ended at `now`: a line if that was long.
    #[inline]
    pub(crate) fn turned(&mut self, began: Tick, now: Tick) {
        if now.saturating_sub(began) >= LONG_MS {
            self.long_turn(now.saturating_sub(began), now);
        }
    }

    #[cold]
    fn long_turn(&mut self, took: Tick, now: Tick) {
        if let Some(untold) = self.long_turns.admit(now) {
            self.line(
                Level::Warn,
                format_args!(
                    "callbacks, or a stop of the process, took {took} ms: no other connection of \
                     this reactor was served meanwhile{}",
                    Others(untold)
                ),
            );
        }
    }

    /// `closed` connections end because all hold `excess` bytes too much.
    #[cold]
    pub(crate) fn memory_spent(&mut self, now: Tick, closed: usize, excess: usize) {
        if let Some(untold) = self.memory.admit(now) {
            let (kib, others) = (excess.div_ceil(1 << 10), Others(untold));
            self.line(
                Level::Warn,
                format_args!(
                    "connections hold {kib} KiB more than memory_max: closing the {closed} that \
                     hold most here{others}"
                ),
            );
        }
    }

    /// A proxy did not say whose connection it forwards, or was none of the endpoint's.
    #[cold]
    pub(crate) fn proxy_failed(&mut self, now: Tick, from: Option<SocketAddr>, why: &str) {
        if let Some(untold) = self.proxies.admit(now) {
            let others = Others(untold);
            match from {
                Some(from) => self.line(Level::Warn, format_args!("{from}: {why}{others}")),
                None => self.line(Level::Warn, format_args!("a Unix socket: {why}{others}")),
            }
        }
    }

    /// The TLS of a connection is over: a line if it has failed, or was not established.
    #[cfg(feature = "tls")]
    pub(crate) fn tls_ended(
        &mut self,
        now: Tick,
        peer: Option<SocketAddr>,
        established: bool,
        failure: Option<&str>,
    ) {
        let why = match failure {
            Some(why) => why,
            None if established => return,
            None => "it ended during the handshake",
        };
        if let Some(untold) = self.tls_failures.admit(now) {
            let others = Others(untold);
            match peer {
                Some(peer) => {
                    self.line(Level::Warn, format_args!("TLS with {peer} failed: {why}{others}"));
                }
                None => self.line(Level::Warn, format_args!("TLS failed: {why}{others}")),
            }
        }
    }
}

/// How many more of a kind there were.
struct Others(u64);

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            n => write!(f, " ({n} more since the last such line)"),
        }
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("reactor", &self.reactor).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A log, and the lines that were written to it.
    fn logger() -> (Logger, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let to = Arc::clone(&lines);
        let log: Log = Arc::new(move |level, line| {
            assert_eq!(level, Level::Warn);
            to.lock().unwrap().push(line.to_owned());
        });
        (Logger::new(Some(log), 3), lines)
    }

    #[test]
    fn a_long_turn_is_told_and_the_next_ones_are_counted() {
        let (mut log, lines) = logger();
        log.turned(5_000, 5_999);
        assert!(lines.lock().unwrap().is_empty());
        log.turned(5_000, 6_234);
        for now in [8_000, 10_000, 16_233] {
            log.turned(now - LONG_MS, now);
        }
        log.turned(16_234 - 1_500, 16_234);
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("reactor 3: ") && lines[0].contains(" took 1234 ms"));
        assert!(lines[0].ends_with(" meanwhile"));
        assert!(lines[1].contains(" took 1500 ms") && lines[1].contains("(3 more since"));
    }

    #[test]
    fn a_clock_that_goes_back_is_no_long_turn() {
        let (mut log, lines) = logger();
        log.turned(5_000, 4_000);
        assert!(lines.lock().unwrap().is_empty());
    }

    #[cfg(feature = "tls")]
    #[test]
    fn failures_of_tls_name_peer_and_reason_at_a_rate_of_their_own() {
        let (mut log, lines) = logger();
        let peer = Some(SocketAddr::from(([192, 0, 2, 1], 443)));
        log.turned(0, LONG_MS);
        log.tls_ended(1_000, peer, true, None);
        log.tls_ended(1_000, peer, false, Some("bad certificate"));
        log.tls_ended(2_000, peer, false, None);
        log.tls_ended(11_000, None, false, None);
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[1], "reactor 3: TLS with 192.0.2.1:443 failed: bad certificate");
        assert!(lines[2].contains("ended during the handshake (1 more"), "{lines:?}");
    }

    #[test]
    fn a_silent_log_is_silent() {
        let mut log = Logger::default();
        log.turned(0, 10 * LONG_MS);
        log.line(Level::Error, format_args!("nobody reads this"));
    }
}
