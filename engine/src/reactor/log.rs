//! Log lines: where they go, and that nobody pays for those that go nowhere.

use std::fmt;
use std::sync::Arc;

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

/// The log of one reactor, or of none: lines begin with the reactor's number.
#[derive(Clone, Default)]
pub struct Logger {
    log: Option<Log>,
    reactor: u32,
}

impl Logger {
    /// Silent without `log`.
    pub fn new(log: Option<Log>, reactor: u32) -> Self {
        Self { log, reactor }
    }

    /// Writes a line. Formatted only if somebody reads it.
    pub fn line(&self, level: Level, text: fmt::Arguments<'_>) {
        if let Some(log) = &self.log {
            log(level, &format!("reactor {}: {text}", self.reactor));
        }
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger").field("reactor", &self.reactor).finish_non_exhaustive()
    }
}
