//! Latency by percentile, both axes logarithmic: the right end is what the slowest see.

use super::family::Family;
use super::svg::{Scale, Svg, escape};
use crate::compare::Summary;
use crate::publish::numbers;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 52.0;
/// Lines of text need so much.
const LEADING: f64 = 14.0;

/// Draws those that have a curve.
pub(super) fn curves(title: &str, summaries: &[&Summary]) -> String {
    let with: Vec<_> = summaries.iter().filter(|it| !it.curve.is_empty()).collect();
    let points = || with.iter().flat_map(|it| &it.curve);
    let low = points().map(|(_, us)| *us).fold(f64::INFINITY, f64::min);
    let high = points().map(|(_, us)| *us).fold(0.0, f64::max);
    let last = points().map(|(share, _)| rarity(*share)).fold(100.0, f64::max);
    let across = Scale { low: 2.0, high: last, from: LEFT, to: WIDTH - RIGHT, logarithmic: true };
    let up = Scale::logarithmic(low, high, HEIGHT - BOTTOM, TOP);
    let mut svg = Svg::new(WIDTH, HEIGHT, title);
    axes(&mut svg, &across, &up);
    let mut ends = Vec::new();
    // The highlighted one last: above the others.
    let mut ordered = with.clone();
    ordered.sort_by_key(|it| Family::of(&it.server) == Family::Own);
    for summary in ordered {
        let curve = summary.curve.iter().filter(|(share, us)| *share < 1.0 && *us > 0.0);
        let points: Vec<[f64; 2]> =
            curve.map(|(share, us)| [across.at(rarity(*share)), up.at(*us)]).collect();
        let class = Family::of(&summary.server).class();
        svg.polyline(&format!("curve {class}"), &points, &summary.server);
        for ([x, y], (share, us)) in points.iter().zip(&summary.curve) {
            let (share, us) = (percentile(*share), numbers::microseconds(*us));
            let title = format!("{} {share}: {us}", summary.server);
            svg.dot(&format!("fill {class}"), [*x, *y, 3.0], &title);
        }
        if let (Some(end), Some((_, us))) = (points.last(), summary.curve.last()) {
            ends.push((*end, summary.server.clone(), *us));
        }
    }
    names(&mut svg, ends);
    format!(
        "<figure class=\"wide\"><figcaption>{}</figcaption>{}</figure>",
        escape(title),
        svg.end()
    )
}

/// One message of how many is slower.
fn rarity(share: f64) -> f64 {
    1.0 / (1.0 - share.min(0.999_999_9))
}

fn percentile(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("p{}", text.trim_end_matches('0').trim_end_matches('.'))
}

fn axes(svg: &mut Svg, across: &Scale, up: &Scale) {
    for tick in up.ticks() {
        let y = up.at(tick);
        svg.line("grid", [LEFT, y, WIDTH - RIGHT, y]);
        svg.text(
            "tick",
            [LEFT - 6.0, y + 4.0],
            "end",
            &numbers::short(&numbers::microseconds(tick)),
        );
    }
    for share in [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999] {
        if rarity(share) <= across.high * 1.001 {
            let x = across.at(rarity(share));
            svg.line("grid", [x, TOP, x, HEIGHT - BOTTOM]);
            svg.text("tick", [x, HEIGHT - BOTTOM + 16.0], "middle", &percentile(share));
        }
    }
    svg.line("axis", [LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM]);
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let name = "percentile: so many of the messages took no longer";
    svg.text("axis-name", [middle, HEIGHT - BOTTOM + 38.0], "middle", name);
    svg.text("axis-name", [LEFT - 6.0, TOP - 4.0], "end", "latency");
}

/// At the right ends of the curves, moved apart so that they can be read.
fn names(svg: &mut Svg, mut ends: Vec<([f64; 2], String, f64)>) {
    ends.sort_by(|a, b| a.0[1].total_cmp(&b.0[1]));
    let wanted: Vec<f64> = ends.iter().map(|([_, y], ..)| *y).collect();
    let places = apart(&wanted, LEADING, TOP + 4.0, HEIGHT - BOTTOM);
    for (([x, y], server, us), place) in ends.into_iter().zip(places) {
        svg.line("leader", [x + 4.0, y, x + 18.0, place]);
        let own = Family::of(&server) == Family::Own;
        let class = if own { "name strong" } else { "name" };
        let text = format!("{server}  {}", numbers::microseconds(us));
        svg.text(class, [x + 21.0, place + 4.0], "start", &text);
    }
}

/// Positions near those wanted, which ascend, at least `gap` apart, within limits where possible.
fn apart(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut places = wanted.to_vec();
    let mut least = low;
    for place in &mut places {
        *place = place.max(least);
        least = *place + gap;
    }
    let mut most = high;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_cover_each_other() {
        let places = apart(&[10.0, 11.0, 12.0, 98.0, 99.0], 10.0, 0.0, 100.0);
        assert_eq!(places, [10.0, 20.0, 30.0, 90.0, 100.0]);
    }

    #[test]
    fn percentiles_are_named() {
        assert_eq!(percentile(0.5), "p50");
        assert_eq!(percentile(0.999), "p99.9");
        assert!((rarity(0.99) - 100.0).abs() < 1e-6 && rarity(1.0).is_finite());
    }
}
