//! What it costs that topics cross machines: two engines and one broker, a member on each engine,
//! somebody who publishes at the first; and beside them, in the same run, two bare clients of the
//! broker. The engines and the broker have one CPU, whoever measures has the other.
//!
//! ```text
//! page ........ what was measured, for people
//! latency ..... how long a message takes at a modest rate
//! ramp ........ how many a second go, until the engine refuses
//! pair ........ the processes and their clients | bare: a client of the broker
//! message ..... what is published
//! ```

mod bare;
mod latency;
mod message;
pub mod page;
mod pair;
mod ramp;

pub use latency::Latencies;
pub use ramp::{Ramp, Step};

use crate::error::Result;
use pair::Pair;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Duration;

/// How it is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program that becomes the broker and the engines: `bus`.
    pub program: PathBuf,
    /// Where configurations and logs are written.
    pub directory: PathBuf,
    /// The CPU of the engines and the broker, and that of the clients; `None`: all.
    pub cpus: Option<[usize; 2]>,
    /// Bytes of a message; at least 17.
    pub size: usize,
    /// Messages a second, for each a run.
    pub rates: Vec<u64>,
    /// How long each of these runs takes.
    pub time: Duration,
    /// The rate at which the ramp begins, and that at which it gives up.
    pub ramp: [u64; 2],
    /// How long a step of the ramp takes.
    pub step: Duration,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Bytes of a message.
    pub size: usize,
    /// What the broker says that it is.
    pub broker: String,
    /// How long messages take, at each rate.
    pub latencies: Vec<Latencies>,
    /// How many go.
    pub ramp: Ramp,
}

/// Measures. Must be called by a thread that lives longer than that: children end with it.
pub fn run(plan: &Plan, broker: String, say: &dyn Fn(&str)) -> Result<Report> {
    let pair = Pair::start(plan)?;
    let mut latencies = Vec::new();
    for rate in &plan.rates {
        say(&format!("{rate} a second for {:.0} s", plan.time.as_secs_f64()));
        latencies.push(latency::measure(&pair, plan, *rate)?);
    }
    let ramp = ramp::climb(&pair, plan, say)?;
    Ok(Report { size: plan.size, broker, latencies, ramp })
}
