//! What was measured, as a table for the terminal and as a page.

use super::{Trend, idle, soak, storm};
use crate::html;
use crate::publish::{Document, Table, dash, latency, numbers};

/// Connections that do nothing.
pub fn idle(runs: &[(String, idle::Report)]) -> Document {
    let middle = |of: &dyn Fn(&idle::Broadcast) -> f64, run: &idle::Report| {
        let spread = crate::compare::Spread::of(run.broadcasts.iter().map(of));
        spread.map_or_else(dash, |it| numbers::microseconds(it.median))
    };
    let reactors = |run: &idle::Report| {
        let all = &run.by_reactor;
        let least = all.iter().copied().fold(f64::INFINITY, f64::min);
        let most = all.iter().copied().fold(0.0, f64::max);
        if all.is_empty() { dash() } else { format!("{}: {least} to {most}", all.len()) }
    };
    let memory = |run: &idle::Report| {
        let mib = |(name, at): &(&str, _)| format!("{name} {}", mib(at));
        run.memory.iter().map(mib).collect::<Vec<_>>().join(", ")
    };
    let pings = |run: &idle::Report| {
        let quiet = &run.quiet;
        let rate = quiet.pings as f64 / quiet.seconds;
        format!("{rate:.0} a second, at most {}", quiet.pings_second_most)
    };
    let table = Table::new(
        runs,
        &[
            ("connections", &|run| run.connections.to_string()),
            ("connections of a reactor", &reactors),
            ("all open after", &|run| {
                let rate = run.connections as f64 / run.open_seconds;
                format!("{:.1} s ({rate:.0} a second)", run.open_seconds)
            }),
            ("server CPU to open one", &|run| numbers::microseconds(run.open_cpu_us_each)),
            ("resident bytes of the server for one", &|run| format!("{:.0}", run.resident_each)),
            ("kernel objects for one, both ends", &|run| numbers::bytes(run.slab_each)),
            ("Pings", &pings),
            ("server busy meanwhile", &|run| format!("{:.1} % of a core", run.quiet.cpu * 100.0)),
            ("echo beside them: p50, p99, p99.9", &|run| latency(run.quiet.latency.as_ref())),
            ("to all: first", &|run| middle(&|it| it.first_us, run)),
            ("to all: last", &|run| middle(&|it| it.last_us, run)),
            ("to all: server CPU", &|run| middle(&|it| it.cpu_us, run)),
            ("echo during these: p50, p99, p99.9", &|run| {
                latency(run.bystanders_at_broadcasts.as_ref())
            }),
            ("all closed after", &|run| format!("{:.1} s", run.close_seconds)),
            ("server CPU to close one", &|run| numbers::microseconds(run.close_cpu_us_each)),
            ("server resident, MiB", &memory),
            ("descriptors of the server, all open", &|run| {
                let open = run.memory.get(1).map(|(_, open)| open.descriptors.to_string());
                open.unwrap_or_else(dash)
            }),
            ("lost, failed attempts, wrong bytes, unanswered", &|run| {
                let wrong = &run.wrong;
                let idle::Wrong { lost, attempts, bytes, unanswered } = *wrong;
                format!("{lost}, {attempts}, {bytes}, {unanswered}")
            }),
        ],
    );
    let pings = runs.iter().map(|(name, run)| (name.clone(), tenths(&run.quiet.pings_by_tenth)));
    let drawings =
        html::lines("Pings, while nothing else happens", "a second", &pings.collect::<Vec<_>>());
    Document::new("Connections that do nothing", table, drawings, String::new())
}

/// All come back at once.
pub fn storm(runs: &[(String, storm::Report)]) -> Document {
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / 1048576.0);
    let table = Table::new(
        runs,
        &[
            ("connections", &|run| run.connections.to_string()),
            ("let in in a second", &|run| match run.admitted_per_second {
                0 => "all".into(),
                rate => rate.to_string(),
            }),
            ("nobody listened", &|run| format!("{:.0} ms", run.down_seconds * 1e3)),
            ("half, 99 %, all in after", &|run| {
                let storm::Report { half_seconds, most_seconds, all_seconds, .. } = run;
                format!("{half_seconds:.1}, {most_seconds:.1}, {all_seconds:.1} s")
            }),
            ("echo meanwhile: p50, p99, p99.9", &|run| latency(Some(&run.watched.latency))),
            ("echoes, unanswered", &|run| {
                format!("{}, {}", run.watched.echoes, run.watched.unanswered)
            }),
            ("refused, told when to come, counted", &|run| {
                format!("{}, {}, {}", run.refused, run.told, run.refused_counted)
            }),
            ("connects that found nobody", &|run| run.unheard.to_string()),
            ("attempts broken, stuck", &|run| format!("{}, {}", run.broken, run.stuck)),
            ("backlog overflows", &|run| run.overflows.to_string()),
            ("server CPU for each", &|run| numbers::microseconds(run.cpu_us_each)),
            ("server resident at first, at most, in the end", &|run| {
                let [first, most, last] = run.resident.map(mib);
                format!("{first}, {most}, {last} MiB")
            }),
        ],
    );
    let lines: Vec<_> =
        runs.iter().map(|(name, run)| (name.clone(), tenths(&run.opened_by_tenth))).collect();
    let drawings = html::lines("Who is in again", "a second, since the kill", &lines);
    Document::new("All come back at once", table, drawings, String::new())
}

/// Everything at once.
pub fn soak(report: &soak::Report) -> Document {
    let lanes: Vec<_> = report.lanes.iter().map(|it| (it.name.to_owned(), it.clone())).collect();
    let rate = |value: Option<f64>| value.map_or_else(dash, numbers::count);
    let mut table = Table::new(
        &lanes,
        &[
            ("capacity, a second", &|lane| rate(lane.capacity)),
            ("asked for, a second", &|lane| rate(lane.rate)),
            ("done, each checked", &|lane| lane.done.to_string()),
            ("p50, p99, p99.9", &|lane| latency(lane.latency.as_ref())),
            ("unanswered", &|lane| lane.unanswered.to_string()),
            ("failed", &|lane| lane.failure.clone().unwrap_or_else(|| "no".into())),
        ],
    );
    table.turn();
    let points = |of: &dyn Fn(&soak::Sample) -> f64| -> Vec<(f64, f64)> {
        report.samples.iter().map(|it| (it.seconds, of(it))).collect()
    };
    let resident = points(&|it| it.memory.resident as f64 / 1048576.0);
    let heap = points(&|it| it.heap as f64 / 1048576.0);
    let descriptors = points(&|it| it.memory.descriptors as f64);
    let drawings = format!(
        "{}{}",
        html::lines(
            "Memory of the server",
            "MiB",
            &[("resident".into(), resident), ("allocated".into(), heap)]
        ),
        html::lines("Descriptors of the server", "", &[("open".into(), descriptors)])
    );
    Document::new("Everything at once", table, drawings, facts(report))
}

/// What is not of one kind of traffic.
fn facts(report: &soak::Report) -> String {
    let [capacity, cpu] = report.cpu.map(numbers::share);
    let [least, descriptors] = report.descriptors;
    let mut out = format!(
        "lasted        {:.0} s, server busy {cpu} (when the capacity was measured: {capacity})\n\
         descriptors   {least} to {descriptors}\n",
        report.seconds
    );
    out += &grown("allocated", report.heap_at, report.heap);
    out += &grown("resident", report.resident_at, report.resident);
    for (name, sum) in &report.sums {
        out += &format!("{sum:<13} {name}\n");
    }
    out
}

fn grown(what: &str, at: [u64; 4], trend: Option<Trend>) -> String {
    let [young, most, last, gone] = at.map(|at| at as f64 / 1048576.0);
    let mut out = format!(
        "{what:<13} {young:.2} MiB after a tenth of it, at most {most:.2}, in the end {last:.2}, \
         when all had gone {gone:.2}\n"
    );
    if let Some(trend) = trend {
        let (slope, error) = (trend.slope, trend.error);
        let judged = match trend.is_flat() {
            true => "none beyond noise",
            false if trend.slope < 0.0 => "it shrinks",
            false => "more than noise",
        };
        out += &format!("  growth      {slope:.1} ± {error:.1} bytes a second: {judged}\n");
    }
    out
}

fn mib(memory: &super::Memory) -> String {
    format!("{:.1}", memory.resident as f64 / 1048576.0)
}

/// Counts of each tenth of a second, as so many in a second.
fn tenths(counts: &[u32]) -> Vec<(f64, f64)> {
    let point = |(index, count): (usize, &u32)| (index as f64 / 10.0, f64::from(*count) * 10.0);
    counts.iter().enumerate().map(point).collect()
}
