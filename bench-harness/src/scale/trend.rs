//! Whether something grows: a straight line through many values.

use serde::Serialize;

/// The least-squares line through values that were taken over time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trend {
    /// How much it grows in a second.
    pub slope: f64,
    /// What the slope may be wrong by: its standard error, with the number of independent values
    /// corrected for how much each is like the one before (their autocorrelation at lag one).
    pub error: f64,
    /// Values.
    pub count: usize,
}

impl Trend {
    /// Through `(seconds, value)`; `None` of fewer than four, or all at one time.
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len() as f64;
        if points.len() < 4 {
            return None;
        }
        let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(&|point| point.0), mean(&|point| point.1));
        let square: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        if square <= 0.0 {
            return None;
        }
        let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / square;
        let left: Vec<f64> = points.iter().map(|p| p.1 - y - slope * (p.0 - x)).collect();
        let sum: f64 = left.iter().map(|it| it * it).sum();
        let lagged: f64 = left.iter().zip(left.iter().skip(1)).map(|(a, b)| a * b).sum();
        let alike = if sum > 0.0 { (lagged / sum).clamp(0.0, 0.99) } else { 0.0 };
        let independent = (count * (1.0 - alike) / (1.0 + alike)).max(3.0);
        let variance = sum / count * independent / (independent - 2.0);
        let error = (variance / (square / count) / independent).sqrt();
        Some(Self { slope, error, count: points.len() })
    }

    /// Whether it may as well be none: no more than two standard errors from it.
    pub fn is_flat(&self) -> bool {
        self.slope.abs() <= 2.0 * self.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn growth_is_told_from_noise() {
        let mut random = Random(7);
        let mut noise = || random.below(2_001) as f64 - 1_000.0;
        let series = |slope: f64, noise: &mut dyn FnMut() -> f64| -> Vec<(f64, f64)> {
            (0..600).map(|second| (second as f64, slope * second as f64 + noise())).collect()
        };
        let flat = Trend::of(&series(0.0, &mut noise)).expect("many values");
        assert!(flat.is_flat(), "{flat:?}");
        let grows = Trend::of(&series(1.0, &mut noise)).expect("many values");
        assert!(!grows.is_flat() && (grows.slope - 1.0).abs() < 3.0 * grows.error, "{grows:?}");
        assert_eq!(Trend::of(&[(0.0, 1.0); 9]), None);
    }

    /// What wanders without a direction looks like growth to who takes its values for independent.
    #[test]
    fn values_that_are_like_the_one_before_count_for_less() {
        let walk = |seed| {
            let (mut random, mut at) = (Random(seed), 0.0);
            let mut step = |second: u32| {
                at = 0.97 * at + random.below(2_001) as f64 - 1_000.0;
                (f64::from(second), at)
            };
            (0..600).map(&mut step).collect::<Vec<_>>()
        };
        let flat = (0..100).filter(|seed| Trend::of(&walk(*seed)).is_some_and(|it| it.is_flat()));
        assert!(flat.count() >= 80);
    }
}
