//! Pieces of SVG. Colours come from the page's style sheet, so that they follow light and dark.

use std::fmt::{Display, Write};

/// Text as it may stand in an element or an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A drawing in the making. Coordinates are CSS pixels at its natural width.
pub(crate) struct Svg {
    out: String,
}

impl Svg {
    /// `label` is what a screen reader says.
    pub(crate) fn new(width: f64, height: f64, label: &str) -> Self {
        let label = escape(label);
        let out = format!(
            "<svg viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" aria-label=\"{label}\">"
        );
        Self { out }
    }

    pub(crate) fn line(&mut self, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
        self.add(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    pub(crate) fn rect(&mut self, class: &str, [x, y, width, height]: [f64; 4]) {
        self.add(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
             height=\"{height:.1}\"/>"
        ));
    }

    /// A bar that grows to the right: square where it starts, round where it ends.
    pub(crate) fn bar(&mut self, class: &str, [x, y, width, height]: [f64; 4], title: &str) {
        let round = 4f64.min(width);
        let (straight, inner) = (width - round, height - 2.0 * round.min(height / 2.0));
        let title = escape(title);
        self.add(format_args!(
            "<path class=\"{class}\" d=\"M{x:.1} {y:.1}h{straight:.1}q{round:.1} 0 {round:.1} \
             {round:.1}v{inner:.1}q0 {round:.1} -{round:.1} {round:.1}h-{straight:.1}z\">\
             <title>{title}</title></path>"
        ));
    }

    pub(crate) fn dot(&mut self, class: &str, [x, y, radius]: [f64; 3], title: &str) {
        let title = escape(title);
        self.add(format_args!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\">\
             <title>{title}</title></circle>"
        ));
    }

    /// `anchor`: start, middle or end.
    pub(crate) fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: &str, text: &str) {
        let text = escape(text);
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}\
             </text>"
        ));
    }

    pub(crate) fn polyline(&mut self, class: &str, points: &[[f64; 2]], title: &str) {
        let points: String = points.iter().map(|[x, y]| format!("{x:.1},{y:.1} ")).collect();
        let (points, title) = (points.trim_end(), escape(title));
        self.add(format_args!(
            "<polyline class=\"{class}\" points=\"{points}\"><title>{title}</title></polyline>"
        ));
    }

    pub(crate) fn end(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }

    fn add(&mut self, element: impl Display) {
        let _ = write!(self.out, "{element}");
    }
}

/// From values to coordinates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) logarithmic: bool,
}

impl Scale {
    pub(crate) fn linear(high: f64, from: f64, to: f64) -> Self {
        let high = if high > 0.0 { high } else { 1.0 };
        Self { low: 0.0, high, from, to, logarithmic: false }
    }

    /// From the power of ten, or its double or fivefold, below `low` to the one above `high`.
    pub(crate) fn logarithmic(low: f64, high: f64, from: f64, to: f64) -> Self {
        let low = if low.is_finite() && low > 0.0 { low } else { 1.0 };
        let high = high.max(low * 1.01);
        let below = steps(low).into_iter().rfind(|it| *it <= low * 1.0001).unwrap_or(low);
        let above = steps(high).into_iter().find(|it| *it >= high * 0.9999).unwrap_or(high);
        Self { low: below, high: above, from, to, logarithmic: true }
    }

    pub(crate) fn at(&self, value: f64) -> f64 {
        let position = if self.logarithmic {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + position * (self.to - self.from)
    }

    /// A few round values within the scale.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            let step = round_up((self.high - self.low) / 5.0);
            let count = ((self.high - self.low) / step + 1e-9) as usize;
            return (0..=count).map(|index| self.low + index as f64 * step).collect();
        }
        let decades = (self.high / self.low).log10();
        let (mut value, mut ticks) = (10f64.powf(self.low.log10().floor()), Vec::new());
        while value <= self.high * 1.0001 {
            let part: &[f64] = if decades > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
            ticks.extend(part.iter().map(|factor| factor * value));
            value *= 10.0;
        }
        ticks.retain(|tick| (self.low * 0.9999..=self.high * 1.0001).contains(tick));
        ticks
    }
}

/// 1, 2 and 5 times the powers of ten around a value.
fn steps(value: f64) -> Vec<f64> {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).to_vec()
}

/// The next of 1, 2, 2.5, 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
    let found = factors.into_iter().find(|factor| factor * power >= value * 0.9999);
    found.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_text() {
        let mut svg = Svg::new(10.0, 10.0, "a \"b\"");
        svg.text("x", [1.0, 2.0], "start", "<script>&'");
        let out = svg.end();
        assert!(out.contains("&lt;script&gt;&amp;&#39;</text></svg>"), "{out}");
        assert!(out.contains("aria-label=\"a &quot;b&quot;\""), "{out}");
    }

    #[test]
    fn scales_and_their_ticks() {
        let scale = Scale::linear(10.0, 100.0, 200.0);
        assert_eq!((scale.at(0.0), scale.at(5.0), scale.at(10.0)), (100.0, 150.0, 200.0));
        assert_eq!(scale.ticks(), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        let scale = Scale::logarithmic(30.0, 900.0, 0.0, 1.0);
        assert_eq!((scale.low, scale.high), (20.0, 1000.0));
        assert_eq!(scale.ticks(), [20.0, 50.0, 100.0, 200.0, 500.0, 1000.0]);
        assert!((scale.at(1000.0) - 1.0).abs() < 1e-9 && scale.at(20.0) == 0.0);
        assert!(Scale::logarithmic(f64::NAN, 0.0, 0.0, 1.0).at(1.0).is_finite());
    }
}
