//! Bars from left to right, a server each, with the range of the rounds and its value.

use super::family::Family;
use super::svg::{Scale, Svg};
use crate::compare::Spread;
use crate::publish::numbers;

const WIDTH: f64 = 620.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 42.0;
const PITCH: f64 = 26.0;
const THICK: f64 = 16.0;

/// A server's bar.
pub(super) struct Bar {
    pub(super) server: String,
    /// `None`: it failed.
    pub(super) spread: Option<Spread>,
    /// Behind the value.
    pub(super) note: String,
}

/// A value that is not a server's.
pub(super) struct Reference {
    pub(super) label: String,
    pub(super) value: f64,
}

/// How a chart is labelled.
pub(super) struct Labels<'a> {
    pub(super) title: &'a str,
    /// Of the axis.
    pub(super) axis: &'a str,
    /// A value in words.
    pub(super) show: fn(f64) -> String,
    /// On a logarithmic axis the values are dots: the length of a bar would mean nothing.
    pub(super) logarithmic: bool,
}

/// Draws them in the order given.
pub(super) fn bars(labels: &Labels<'_>, bars: &[Bar], references: &[Reference]) -> String {
    let height = TOP + PITCH * bars.len() as f64 + BOTTOM;
    let mut svg = Svg::new(WIDTH, height, labels.title);
    let base = height - BOTTOM;
    let scale = scale(labels, bars, references);
    for tick in scale.ticks() {
        let x = scale.at(tick);
        svg.line("grid", [x, TOP - 6.0, x, base]);
        svg.text("tick", [x, base + 15.0], "middle", &numbers::short(&(labels.show)(tick)));
    }
    svg.line("axis", [LEFT, TOP - 6.0, LEFT, base]);
    svg.text("axis-name", [(LEFT + WIDTH - RIGHT) / 2.0, base + 34.0], "middle", labels.axis);
    let middle = |index: usize| TOP + PITCH * (index as f64 + 0.5);
    for (index, bar) in bars.iter().enumerate() {
        draw(&mut svg, labels, &scale, bar, middle(index));
    }
    for reference in references {
        let x = scale.at(reference.value);
        svg.line("reference", [x, TOP - 8.0, x, base]);
        let anchor = if x > (WIDTH - RIGHT) * 0.8 { "end" } else { "start" };
        let shift = if anchor == "end" { 4.0 } else { -4.0 };
        svg.text("reference-name", [x + shift, TOP - 13.0], anchor, &reference.label);
    }
    // Above the lines, so that they can be read.
    for (index, bar) in bars.iter().enumerate() {
        write(&mut svg, labels, &scale, bar, middle(index));
    }
    format!("<figure><figcaption>{}</figcaption>{}</figure>", labels.title, svg.end())
}

fn scale(labels: &Labels<'_>, bars: &[Bar], references: &[Reference]) -> Scale {
    let spreads = || bars.iter().filter_map(|bar| bar.spread);
    let shown = references.iter().map(|it| it.value);
    let high = spreads().map(|it| it.max).chain(shown.clone()).fold(0.0, f64::max);
    let low = spreads().map(|it| it.min).chain(shown).filter(|it| *it > 0.0);
    let low = low.fold(f64::INFINITY, f64::min);
    if labels.logarithmic {
        Scale::logarithmic(low, high, LEFT, WIDTH - RIGHT)
    } else {
        Scale::linear(high * 1.02, LEFT, WIDTH - RIGHT)
    }
}

fn draw(svg: &mut Svg, labels: &Labels<'_>, scale: &Scale, bar: &Bar, middle: f64) {
    let class = Family::of(&bar.server).class();
    let Some(spread) = bar.spread else { return };
    let show = labels.show;
    let title = format!(
        "{}: {} (range {} to {}, deviation {}, {} rounds)",
        bar.server,
        show(spread.median),
        show(spread.min),
        show(spread.max),
        show(spread.mad),
        spread.count
    );
    let x = scale.at(spread.median);
    let (low, high) = (scale.at(spread.min), scale.at(spread.max));
    if labels.logarithmic {
        svg.line("whisker", [low, middle, high, middle]);
        svg.dot(&format!("fill {class}"), [x, middle, 6.0], &title);
        return;
    }
    let y = middle - THICK / 2.0;
    svg.bar(&format!("fill {class}"), [LEFT, y, (x - LEFT).max(1.0), THICK], &title);
    svg.line("whisker", [low, middle, high, middle]);
    for end in [low, high] {
        svg.line("whisker", [end, middle - 4.0, end, middle + 4.0]);
    }
}

fn write(svg: &mut Svg, labels: &Labels<'_>, scale: &Scale, bar: &Bar, middle: f64) {
    let own = Family::of(&bar.server) == Family::Own;
    let baseline = middle + 4.0;
    svg.text(if own { "name strong" } else { "name" }, [LEFT - 8.0, baseline], "end", &bar.server);
    let Some(spread) = bar.spread else {
        svg.text("failed", [LEFT + 6.0, baseline], "start", "✕ failed");
        return;
    };
    let separator = if bar.note.is_empty() { "" } else { " · " };
    let value = format!("{}{separator}{}", (labels.show)(spread.median), bar.note);
    let x = scale.at(spread.max).max(scale.at(spread.median)) + 8.0;
    svg.text(if own { "value strong" } else { "value" }, [x, baseline], "start", &value);
}
