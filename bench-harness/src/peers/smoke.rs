//! A short load on a prepared server: does it echo at all, and every byte?

use crate::compare::Contender;
use crate::error::Result;
use crate::load::closed::{self, Plan};
use crate::report::Report;
use crate::scenario::{Kind, Scenario};
use crate::server::Server;
use std::time::Duration;

/// One row of the smoke test: connections, bytes, depth, and whether it is text.
pub type Row = (usize, usize, usize, bool);

/// Small, many in flight, a page or four, larger than any socket buffer.
pub const ROWS: [Row; 4] =
    [(64, 20, 1, true), (64, 20, 64, true), (32, 16_384, 1, false), (4, 16_777_216, 1, false)];

/// Starts the server, loads it, ends it.
pub fn row(contender: &Contender, row: Row, timed: Duration, cpu: Option<usize>) -> Result<Report> {
    let (connections, size, depth, text) = row;
    let mut launch = contender.launch_for(size);
    launch.cpu = cpu.or(launch.cpu);
    let server = Server::start(&launch)?;
    let kind = match (contender.raw, text) {
        (true, _) => Kind::Raw,
        (false, true) => Kind::Text,
        (false, false) => Kind::Binary,
    };
    let report = closed::run(&Plan {
        server: server.address,
        scenario: Scenario::plain(connections, size, depth, kind),
        warmup: timed / 4,
        timed,
        pid: Some(server.pid()),
    })?;
    server.interrupt()?;
    Ok(report)
}

/// A report in a line.
pub fn line(report: &Report) -> String {
    let Scenario { connections, size, depth, .. } = report.scenario;
    let what = format!("{connections} x {size} x {depth}");
    let rate = report.messages_per_second;
    let cost = report.server.as_ref().map_or(f64::NAN, |server| server.cpu_us_per_message);
    format!("{what:<20} {rate:>12.0} /s {cost:>12.3} us")
}
