//! What was measured, as tables for the terminal and as a page.

use super::{Latencies, Report, Step};
use crate::html;
use crate::publish::{Document, Table, latency, numbers};
use std::fmt::Write;

/// All of it.
pub fn page(report: &Report) -> Document {
    let rate = |rate: u64| format!("{} a second", numbers::count(rate as f64));
    let runs: Vec<(String, Latencies)> =
        report.latencies.iter().map(|run| (rate(run.rate), run.clone())).collect();
    let table = Table::new(
        &runs,
        &[
            ("messages", &|run| run.messages.to_string()),
            ("within an engine: p50, p99, p99.9", &|run| latency(Some(&run.within))),
            ("within the engine, of a topic that crosses", &|run| latency(Some(&run.local))),
            ("to the other engine", &|run| latency(Some(&run.across))),
            ("so much later than within, of the same message", &|run| latency(Some(&run.added))),
            ("between bare clients of the broker", &|run| latency(Some(&run.bare))),
        ],
    );
    let steps = &report.ramp.steps;
    let line = |name: &str, of: &dyn Fn(&Step) -> f64| {
        let points = steps.iter().map(|step| (step.rate as f64 / 1e3, of(step))).collect();
        (name.to_owned(), points)
    };
    let seconds = |step: &Step| (step.accepted + step.refused) as f64 / step.offered.max(1.0);
    let drawing = html::lines_over(
        "thousands a second that were wanted",
        "More and more is published",
        "messages a second",
        &[
            line("offered", &|step| step.offered),
            line("refused", &|step| step.refused as f64 / seconds(step).max(1e-9)),
            line("came across", &|step| step.delivered_each_second),
            line("came, bare", &|step| step.bare_each_second),
        ],
    );
    Document::new("Topics across machines", table, drawing, facts(report))
}

fn facts(report: &Report) -> String {
    let Report { size, broker, ramp, .. } = report;
    let mut out = format!("{broker}, messages of {size} bytes\n");
    for step in &ramp.steps {
        let Step { rate, offered, accepted, refused, delivered, told, .. } = step;
        // A String takes all.
        let _ = writeln!(
            out,
            "{rate} a second: offered {offered:.0}, {accepted} taken, {refused} refused, \
             {delivered} came ({:.0} a second), {told} told as missing; \
             bare {:.0} a second, {} lost",
            step.delivered_each_second, step.bare_each_second, step.bare_lost
        );
    }
    let or_none = |rate: Option<f64>| rate.map_or_else(|| "none".into(), numbers::count);
    let [across, bare] = ramp.most().map(numbers::count);
    let _ = writeln!(
        out,
        "taken whole up to {} a second; refuses from {} a second on\n\
         at most {across} a second came across, {bare} between bare clients",
        or_none(ramp.all_taken()),
        or_none(ramp.first_refused())
    );
    out
}
