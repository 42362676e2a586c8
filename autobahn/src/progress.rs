//! How far a run is: a bar on a terminal, a line now and then elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

const STYLE: &str = "{elapsed:>4} [{bar:40}] {pos} of {len} cases, {msg}";

/// Writes to standard error; results go to standard output.
pub struct Progress {
    bar: Option<ProgressBar>,
    total: usize,
    begun: usize,
    written: Instant,
    started: Instant,
}

impl Progress {
    /// A run of `total` cases in `shards` processes begins.
    pub fn start(total: usize, shards: usize) -> Self {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total as u64);
            if let Ok(style) = ProgressStyle::with_template(STYLE) {
                bar.set_style(style);
            }
            bar.set_message(format!("{shards} at once"));
            bar
        });
        if bar.is_none() {
            say(&format!("running {total} cases, {shards} at once"));
        }
        Self { bar, total, begun: 0, written: now, started: now }
    }

    /// A case has begun.
    pub fn step(&mut self) {
        self.begun += 1;
        self.tick();
    }

    /// Time has passed.
    pub fn tick(&mut self) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.begun as u64);
        } else if self.written.elapsed() >= LINE_EVERY {
            self.written = Instant::now();
            let (begun, total) = (self.begun, self.total);
            say(&format!("{begun} of {total} cases, {:.0} s", self.seconds()));
        }
    }

    /// The run is over: takes the bar away. Returns its duration in seconds.
    pub fn finish(self) -> f64 {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.seconds()
    }

    fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

/// Tells the user what happens now.
pub fn say(line: &str) {
    // Nothing sensible can be done about a closed terminal.
    let _ = writeln!(std::io::stderr(), "{line}");
}
