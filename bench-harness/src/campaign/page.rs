//! The report as one page: for each kind how bystanders were served over time, the fault shaded.

use super::report::{KindReport, Report, Verdict};
use crate::html::document;
use crate::html::svg::{Scale, Svg, escape};
use crate::publish::date;
use std::fmt::Write;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
/// Heights of the two drawings.
const RATE: f64 = 110.0;
const WAIT: f64 = 150.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 24.0;
/// Seconds of a point.
const STEP: f64 = 0.1;

/// The whole page.
pub fn page(report: &Report) -> String {
    let machine = &report.machine;
    let line = format!(
        "{} · {} · Linux {} · seed {} · {}",
        date(report.started_unix),
        machine.cpu,
        machine.kernel,
        report.seed,
        report.summary()
    );
    let mut out = String::from(
        "<p>Every message has a number \
         and a checksum: it is answered exactly once and in order, or both sides are told of its \
         loss. The drawings show bystanders, whom the fault does not concern: answers in a second, \
         and how long 99 % of them took at most, in steps of 100 ms. The fault is shaded.</p><nav>",
    );
    for kind in &report.kinds {
        let _ = write!(out, "<a href=\"#{0}\">{0}</a>", escape(kind.name));
    }
    out += "</nav>";
    out += &table(report);
    for kind in &report.kinds {
        out += &section(kind);
    }
    document("Faults on the real kernel", &line, &out)
}

fn table(report: &Report) -> String {
    let mut out = String::from(
        "<div class=\"scroll\"><table><thead><tr><th class=\"text\">fault</th><th>verdict</th>\
         <th>sent</th><th>came back</th><th>loss told</th><th>connections</th><th>p50 ms</th>\
         <th>p99 ms</th><th>max ms</th><th>at rest after s</th></tr></thead><tbody>",
    );
    for kind in &report.kinds {
        let ms = |us: f64| format!("{:.1}", us / 1e3);
        let seen = kind.under_fault.map(|it| it.latency);
        let cell = |value: Option<f64>| value.map_or("–".into(), ms);
        let verdict = match kind.verdict {
            Verdict::Passed => "passed",
            Verdict::Failed => "failed",
            Verdict::NotPossibleHere => "not possible here",
        };
        let balance = &kind.balance;
        let _ = write!(
            out,
            "<tr><td>{}</td><td>{verdict}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{:.1}</td></tr>",
            escape(kind.name),
            balance.sent,
            balance.returned,
            balance.told,
            balance.causes.values().sum::<u64>(),
            cell(seen.map(|it| it.p50)),
            cell(seen.map(|it| it.p99)),
            cell(seen.map(|it| it.max)),
            kind.settled,
        );
    }
    out + "</tbody></table></div>"
}

fn section(kind: &KindReport) -> String {
    let (name, what) = (escape(kind.name), escape(kind.what));
    let mut out = format!("<h2 id=\"{name}\">{name}</h2><p class=\"sub\">{what}</p>");
    for text in &kind.violations {
        let _ = write!(out, "<p class=\"warn\">{}</p>", escape(text));
    }
    for text in &kind.notes {
        let _ = write!(out, "<p class=\"fine\">{}</p>", escape(text));
    }
    if kind.curve.is_empty() {
        return out;
    }
    let causes: Vec<_> =
        kind.balance.causes.iter().map(|(cause, count)| format!("{count} {cause}")).collect();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let [before, after] = kind.rest;
    let _ = write!(
        out,
        "<p class=\"fine\">Ends by cause: {}. At rest before and after: heap {:.2} and {:.2} MiB, \
         resident {:.0} and {:.0} MiB, {} and {} descriptors.</p>",
        escape(&causes.join(", ")),
        mib(before.heap),
        mib(after.heap),
        mib(before.resident),
        mib(after.resident),
        before.descriptors,
        after.descriptors
    );
    let rate: Vec<_> = kind.curve.iter().map(|(count, _)| *count as f64 / STEP).collect();
    let wait: Vec<_> = kind.curve.iter().map(|(_, ms)| *ms).collect();
    out += "<figure class=\"wide\"><figcaption>answers in a second</figcaption>";
    out += &drawing(kind, &rate, RATE, false, "answers in a second");
    out += "<figcaption>99th percentile, ms</figcaption>";
    out += &drawing(kind, &wait, WAIT, true, "99th percentile, ms");
    out + "</figure>"
}

fn drawing(kind: &KindReport, values: &[f64], height: f64, log: bool, title: &str) -> String {
    let high = values.iter().copied().fold(0.0, f64::max);
    let low = values.iter().copied().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    let (floor, ceiling) = (height - BOTTOM, TOP);
    let up = match log {
        true => Scale::logarithmic(low, high, floor, ceiling),
        false => Scale::linear(high, floor, ceiling),
    };
    let across = Scale::linear(values.len() as f64 * STEP, LEFT, WIDTH - RIGHT);
    let mut svg = Svg::new(WIDTH, height, &format!("{}: {title}", kind.name));
    let [from, to] = kind.period.map(|at| across.at(at).min(WIDTH - RIGHT));
    svg.rect("fault", [from, ceiling, (to - from).max(1.0), floor - ceiling]);
    for tick in up.ticks() {
        let y = up.at(tick);
        svg.line("grid", [LEFT, y, WIDTH - RIGHT, y]);
        svg.text("tick", [LEFT - 6.0, y + 4.0], "end", &format!("{tick}"));
    }
    for tick in across.ticks() {
        let x = across.at(tick);
        svg.text("tick", [x, height - 6.0], "middle", &format!("{tick:.0} s"));
    }
    svg.line("axis", [LEFT, floor, WIDTH - RIGHT, floor]);
    // Where nothing came there is no wait to draw.
    let mut part = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if log && *value <= 0.0 {
            flush(&mut svg, &mut part, title);
        } else {
            part.push([across.at((index as f64 + 0.5) * STEP), up.at(*value)]);
        }
    }
    flush(&mut svg, &mut part, title);
    svg.end()
}

fn flush(svg: &mut Svg, part: &mut Vec<[f64; 2]>, title: &str) {
    if let [[x, y]] = part[..] {
        svg.dot("fill own", [x, y, 2.0], title);
    }
    svg.polyline("curve own", part, title);
    part.clear();
}
