//! Many values in few figures.

use serde::Serialize;

/// Median, range and typical distance from the median.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The median of the distances from the median.
    pub mad: f64,
    /// How many values there were.
    pub count: usize,
}

impl Spread {
    /// Of the values that are numbers; `None` without any.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|it| it.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let median = middle(&values)?;
        let mut distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        distances.sort_by(f64::total_cmp);
        Some(Self { median, min, max, mad: middle(&distances)?, count: values.len() })
    }
}

/// Of sorted values.
fn middle(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len().checked_sub(1)?) / 2)?;
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[f64::NAN]), None);
        let odd = Spread { median: 2.0, min: 1.0, max: 3.0, mad: 1.0, count: 3 };
        assert_eq!(spread(&[3.0, 1.0, 2.0, f64::INFINITY]), Some(odd));
        let even = Spread { median: 2.5, min: 1.0, max: 4.0, mad: 1.5, count: 2 };
        assert_eq!(spread(&[4.0, 1.0]), Some(even));
    }

    #[test]
    fn one_outlier_moves_the_range_and_not_the_rest() {
        let spread = Spread::of([10.0, 11.0, 9.0, 10.0, 500.0]).expect("five values");
        assert_eq!((spread.median, spread.mad, spread.max), (10.0, 1.0, 500.0));
    }
}
