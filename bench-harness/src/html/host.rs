//! Where, when and with what it was measured.

use super::svg::escape;
use crate::compare::Comparison;
use crate::machine::Description;
use crate::publish::{date, numbers};
use std::fmt::Write;

/// One line under the title.
pub(super) fn line(comparison: &Comparison) -> String {
    let cpus = &comparison.cpus;
    let machine = machine_line(&comparison.machine, comparison.started_unix);
    format!("{machine} · server on CPU {}, load on CPU {}", cpus.server, cpus.load)
}

/// Where and when.
pub(crate) fn machine_line(machine: &Description, started_unix: u64) -> String {
    let vm = if machine.virtual_machine { ", virtual machine" } else { "" };
    let commit = machine.commit.as_deref().unwrap_or("unknown");
    let when = date(started_unix);
    format!("{when} · {} · Linux {}{vm} · commit {commit}", machine.cpu, machine.kernel)
}

/// Tables at the end.
pub(super) fn facts(comparison: &Comparison) -> String {
    let machine = &comparison.machine;
    let unknown = || "unknown".to_owned();
    let text = |value: &Option<String>| value.clone().unwrap_or_else(unknown);
    let load = machine.load_average.map_or_else(unknown, |load| format!("{load:.2}"));
    let mut rows = vec![
        ("processor", format!("{}, {} CPUs", machine.cpu, machine.cpus)),
        ("caches", machine.caches.join(", ")),
        ("memory", numbers::bytes(machine.memory as f64)),
        ("kernel", machine.kernel.clone()),
        ("virtual machine", if machine.virtual_machine { "yes" } else { "no" }.into()),
        ("frequency governor", text(&machine.governor)),
        ("clock", text(&machine.clock)),
        ("load average at the start", load),
        ("Rust", text(&machine.rustc)),
        ("C", text(&machine.cc)),
        ("commit", text(&machine.commit)),
        ("took", format!("{:.0} s", comparison.seconds)),
    ];
    let suite = &comparison.suite;
    let rounds = format!(
        "{} of {} s each, after {} s of warm-up, unless a row says otherwise",
        suite.pairs, suite.seconds, suite.warmup
    );
    rows.push(("rounds", rounds));
    let mut out = String::from("<h2 id=\"host\">Host and versions</h2>");
    out += &table(&["", ""], rows.iter().map(|(name, value)| vec![*name, value.as_str()]));
    out += "<h2>Servers</h2>";
    let servers = comparison.servers.iter().map(|it| {
        let version = it.version.clone().unwrap_or_else(|| "–".into());
        let tuning = it.tuning.unwrap_or("–").to_owned();
        vec![it.name.clone(), version, tuning, it.command.join(" ")]
    });
    let servers: Vec<Vec<String>> = servers.collect();
    let servers = servers.iter().map(|row| row.iter().map(String::as_str).collect());
    out += &table(&["server", "version", "what it is", "command"], servers);
    out += "<h2>Mitigations</h2>";
    let mitigations = machine.mitigations.iter();
    out += &table(
        &["weakness", "kernel"],
        mitigations.map(|(name, state)| vec![name.as_str(), state.as_str()]),
    );
    out + "<p class=\"fine\">Medians of the rounds; beside them the range and the median distance \
           from the median. Every sample is in results.json and results.csv. What each figure is: \
           METHODOLOGY.md; how the authors could be fooling themselves: BIAS.md.</p>"
}

pub(crate) fn table<'a>(headings: &[&str], rows: impl Iterator<Item = Vec<&'a str>>) -> String {
    let mut out = String::from("<div class=\"scroll\"><table>");
    if headings.iter().any(|heading| !heading.is_empty()) {
        let cells = headings.iter().map(|it| format!("<th class=\"text\">{}</th>", escape(it)));
        let _ = write!(out, "<thead><tr>{}</tr></thead>", cells.collect::<String>());
    }
    out.push_str("<tbody>");
    for row in rows {
        let cells = row.iter().map(|cell| format!("<td class=\"text\">{}</td>", escape(cell)));
        let _ = write!(out, "<tr>{}</tr>", cells.collect::<String>());
    }
    out + "</tbody></table></div>"
}
