//! What changed over time: a line for each thing, from zero.

use super::svg::{Scale, Svg, escape};
use crate::publish::numbers;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;
/// Colours, in this order.
const CLASSES: [&str; 5] = ["own", "rust", "c", "script", "other"];

/// A line: its name, and where it goes.
pub(crate) type Line = (String, Vec<(f64, f64)>);

/// Draws them over seconds; `unit` is what is counted upwards.
pub(crate) fn lines(title: &str, unit: &str, all: &[Line]) -> String {
    lines_over("seconds", title, unit, all)
}

/// The same over something else.
pub(crate) fn lines_over(over: &str, title: &str, unit: &str, all: &[Line]) -> String {
    let points = || all.iter().flat_map(|(_, points)| points);
    let high = points().map(|(_, value)| *value).fold(0.0, f64::max);
    let last = points().map(|(seconds, _)| *seconds).fold(0.0, f64::max);
    let across = Scale::linear(last, LEFT, WIDTH - RIGHT);
    let up = Scale::linear(high * 1.05, HEIGHT - BOTTOM, TOP);
    let mut svg = Svg::new(WIDTH, HEIGHT, title);
    for tick in up.ticks() {
        let y = up.at(tick);
        svg.line("grid", [LEFT, y, WIDTH - RIGHT, y]);
        svg.text("tick", [LEFT - 6.0, y + 4.0], "end", &numbers::short(&numbers::count(tick)));
    }
    for tick in across.ticks() {
        let x = across.at(tick);
        svg.line("grid", [x, TOP, x, HEIGHT - BOTTOM]);
        svg.text("tick", [x, HEIGHT - BOTTOM + 16.0], "middle", &numbers::count(tick));
    }
    svg.line("axis", [LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM]);
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    svg.text("axis-name", [middle, HEIGHT - BOTTOM + 34.0], "middle", over);
    svg.text("axis-name", [LEFT - 6.0, TOP - 8.0], "start", unit);
    for (index, ((name, points), class)) in all.iter().zip(CLASSES.iter().cycle()).enumerate() {
        let places: Vec<[f64; 2]> =
            points.iter().map(|(x, y)| [across.at(*x), up.at(*y)]).collect();
        svg.polyline(&format!("curve {class}"), &places, name);
        let y = TOP + 12.0 + 16.0 * index as f64;
        svg.dot(&format!("fill {class}"), [WIDTH - RIGHT + 14.0, y - 4.0, 4.0], name);
        svg.text("name", [WIDTH - RIGHT + 22.0, y], "start", name);
    }
    let title = escape(title);
    format!("<figure class=\"wide\"><figcaption>{title}</figcaption>{}</figure>", svg.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_drawn_for_each_and_none_is_needed() {
        let one = ("a<b".to_owned(), vec![(0.0, 1.0), (2.0, 3.0)]);
        let drawn = lines("t", "MiB", &[one.clone(), one]);
        assert_eq!(drawn.matches("<polyline").count(), 2);
        assert!(drawn.contains("a&lt;b") && !drawn.contains("NaN"), "{drawn}");
        assert!(!lines("t", "", &[]).contains("NaN"));
    }
}
