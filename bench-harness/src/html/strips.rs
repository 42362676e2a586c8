//! All rows at once: how close each server comes to the ceiling.

use super::family::Family;
use super::svg::{Scale, Svg, escape};
use crate::compare::{Comparison, OWN, Ratio, Spread};
use crate::publish::numbers;
use crate::scenario::Row;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;
const PITCH: f64 = 44.0;

/// A strip per row, a dot per server; the value is that of the C example.
pub(super) fn strips(
    title: &str,
    axis: &str,
    comparison: &Comparison,
    rows: &[&Row],
    of: fn(&Ratio) -> Option<Spread>,
) -> String {
    let all = || rows.iter().flat_map(|row| comparison.of_row(row));
    let high = all().filter_map(|it| of(&it.of_ceiling)).map(|it| it.median);
    let scale = Scale::linear(high.fold(1.0, f64::max) * 1.05, LEFT, WIDTH - RIGHT);
    let height = TOP + PITCH * rows.len() as f64 + BOTTOM;
    let base = height - BOTTOM;
    let mut svg = Svg::new(WIDTH, height, title);
    for tick in scale.ticks() {
        let x = scale.at(tick);
        svg.line("grid", [x, TOP, x, base]);
        svg.text("tick", [x, base + 15.0], "middle", &numbers::ratio(tick));
    }
    let one = scale.at(1.0);
    svg.line("reference", [one, TOP - 6.0, one, base]);
    svg.text("reference-name", [one, TOP - 11.0], "middle", "the ceiling");
    svg.text("axis-name", [(LEFT + WIDTH - RIGHT) / 2.0, base + 34.0], "middle", axis);
    for (index, row) in rows.iter().enumerate() {
        let middle = TOP + PITCH * (index as f64 + 0.5);
        svg.text("name", [LEFT - 12.0, middle + 4.0], "end", &row.name);
        svg.line("strip", [LEFT, middle, WIDTH - RIGHT, middle]);
        let mut summaries = comparison.of_row(row);
        summaries.retain(|it| Family::of(&it.server) != Family::Ceiling);
        // The highlighted ones last: above the others.
        summaries.sort_by_key(|it| (Family::of(&it.server) == Family::Own, it.server == OWN));
        for summary in summaries {
            let Some(ratio) = of(&summary.of_ceiling) else { continue };
            let (family, x) = (Family::of(&summary.server), scale.at(ratio.median));
            let value = numbers::ratio(ratio.median);
            let title = format!("{}, {}: {value}", row.name, summary.server);
            let own = family == Family::Own;
            let class = format!("fill {}", family.class());
            svg.dot(&class, [x, middle, if own { 7.0 } else { 5.0 }], &title);
            if summary.server == OWN {
                svg.text("value strong", [x, middle - 11.0], "middle", &value);
            }
        }
    }
    let title = escape(title);
    format!("<figure class=\"wide\"><figcaption>{title}</figcaption>{}</figure>", svg.end())
}
