//! The comparison as people read it.

use super::{CEILING, CEILING_OF_FRAMES, Comparison, Spread, Summary};
use crate::report::DISTURBED;
use std::fmt::Write;

/// Medians, with the range behind them.
pub fn table(comparison: &Comparison) -> String {
    let mut out = String::new();
    let machine = &comparison.machine;
    let _ = writeln!(
        out,
        "{}; Linux {}; server on CPU {}, load on CPU {}\n\
         medians (range); ratios are taken within a round: 1.00 is at {CEILING};\n\
         the last column has the medians of both ratios to {CEILING_OF_FRAMES}",
        machine.cpu, machine.kernel, comparison.cpus.server, comparison.cpus.load
    );
    let mut row = "";
    for summary in &comparison.summaries {
        if summary.row != row {
            row = &summary.row;
            let _ = writeln!(
                out,
                "\n{row}\n  {:<16} {:>31}  {:>25}  {:>18}  {:>18}  busy: server, load  \
                 of frames",
                "", "messages/s", "server CPU us/message", "throughput", "efficiency"
            );
        }
        line(&mut out, summary);
    }
    let disturbed = comparison.summaries.iter().map(|summary| summary.disturbed.max);
    let disturbed = disturbed.fold(0.0, f64::max);
    if disturbed >= DISTURBED {
        let _ = writeln!(
            out,
            "\nOther work had a CPU for up to {:.0} % of a measurement: repeat on a quiet machine.",
            disturbed * 100.0
        );
    }
    out
}

fn line(out: &mut String, summary: &Summary) {
    let ratio = |spread: Option<Spread>| spread.map_or("-".into(), |spread| text(spread, 2));
    let median = |spread: Option<Spread>| {
        spread.map_or("-".into(), |spread| format!("{:.2}", spread.median))
    };
    let busy = |cpu: Spread| format!("{:.0} %", cpu.median * 100.0);
    let _ = writeln!(
        out,
        "  {:<16} {:>31}  {:>25}  {:>18}  {:>18}  {:>18}  {:>10}",
        summary.server,
        text(summary.messages_per_second, 0),
        text(summary.cpu_us_per_message, 3),
        ratio(summary.throughput_of_ceiling),
        ratio(summary.efficiency_of_ceiling),
        [busy(summary.server_cpu), busy(summary.load_cpu)].join(", "),
        [median(summary.throughput_of_frames), median(summary.efficiency_of_frames)].join(", "),
    );
}

fn text(Spread { median, min, max }: Spread, digits: usize) -> String {
    format!("{median:.digits$} ({min:.digits$}-{max:.digits$})")
}
