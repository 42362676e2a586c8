//! Lines about the connection, and that none is said again and again.

use crate::config::Level;
use std::collections::HashSet;
use std::fmt::Arguments;
use std::time::{Duration, Instant};

/// What is the same as before is told again after so long.
const AGAIN: Duration = Duration::from_secs(60);
/// Subjects that were told of are remembered, so many.
const SUBJECTS_MAX: usize = 1_024;

/// Where lines go.
type Log = Box<dyn Fn(Level, Arguments<'_>)>;

/// What was told.
pub(super) struct Tell {
    log: Log,
    last: Option<(String, Instant)>,
    subjects: HashSet<String>,
}

impl Tell {
    pub(super) fn new(log: Log) -> Self {
        Self { log, last: None, subjects: HashSet::new() }
    }

    pub(super) fn line(&self, level: Level, text: Arguments<'_>) {
        (self.log)(level, format_args!("nats: {text}"));
    }

    /// Why there is no connection, unless that was just told.
    pub(super) fn failed(&mut self, level: Level, text: &str, now: Instant) {
        let known = self.last.as_ref().is_some_and(|(last, at)| last == text && now < *at + AGAIN);
        if !known {
            self.line(level, format_args!("{text}"));
            self.last = Some((text.to_owned(), now));
        }
    }

    /// There is one.
    pub(super) fn connected(&mut self) {
        self.last = None;
    }

    /// What the broker does not allow, once for each subject.
    pub(super) fn refused(&mut self, text: &str) {
        if self.subjects.len() < SUBJECTS_MAX && self.subjects.insert(text.to_owned()) {
            self.line(
                Level::Warn,
                format_args!(
                    "the server refuses: {text}; its permissions must allow us to publish and to \
                     subscribe PREFIX.>"
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn what_is_the_same_is_told_once() {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let to = Arc::clone(&lines);
        let mut tell =
            Tell::new(Box::new(move |_, line| to.lock().unwrap().push(line.to_string())));
        let now = Instant::now();
        for (text, at) in [("a", now), ("a", now + AGAIN / 2), ("b", now), ("b", now + AGAIN)] {
            tell.failed(Level::Warn, text, at);
        }
        tell.connected();
        tell.failed(Level::Warn, "b", now + AGAIN);
        for text in ["x", "y", "x"] {
            tell.refused(text);
        }
        for number in 0..2 * SUBJECTS_MAX {
            tell.refused(&number.to_string());
        }
        let lines = lines.lock().unwrap();
        assert_eq!(lines[..4], ["nats: a", "nats: b", "nats: b", "nats: b"]);
        assert!(lines[4].contains("refuses: x;") && lines[5].contains("refuses: y;"));
        assert_eq!(lines.len(), 4 + SUBJECTS_MAX);
    }
}
