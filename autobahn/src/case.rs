//! The names of cases, and the patterns that select them.

use serde::Deserialize;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The number of a case, such as `6.4.3`. Ordered as numbers, so that 6.9 comes before 6.10.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct CaseId(Vec<u32>);

impl CaseId {
    /// The group, the first number.
    pub fn group(&self) -> u32 {
        self.0.first().copied().unwrap_or(0)
    }

    /// The case `n` under this one: `6.4` and 3 give `6.4.3`.
    pub fn child(&self, n: u32) -> Self {
        let mut numbers = self.0.clone();
        numbers.push(n);
        Self(numbers)
    }
}

impl FromStr for CaseId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<u32>, _> = text.split('.').map(str::parse).collect();
        numbers.map(Self).map_err(|_| format!("`{text}` is not the number of a case, like 6.4.3"))
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u32::to_string).collect();
        out.write_str(&numbers.join("."))
    }
}

impl TryFrom<String> for CaseId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A selection of cases: `6.4.3`, `6.4`, `6.4.*`, `9.*.2`, `12.*.1-4` or `*`. A star stands for
/// any one number, `1-4` for those from 1 to 4; a pattern shorter than a case selects all that lie
/// under it, and so does a star at its end.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Vec<RangeInclusive<u32>>);

/// What a star stands for.
const ANY: RangeInclusive<u32> = 0..=u32::MAX;

impl Pattern {
    /// Whether the pattern selects the case.
    pub fn matches(&self, case: &CaseId) -> bool {
        let fits = |(want, have): (&RangeInclusive<u32>, &u32)| want.contains(have);
        self.0.len() <= case.0.len() && self.0.iter().zip(&case.0).all(fits)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let part = |part: &str| match part.split_once('-') {
            _ if part == "*" => Some(ANY),
            None => part.parse().ok().map(|number| number..=number),
            Some((first, last)) => {
                let range = first.parse().ok()?..=last.parse().ok()?;
                (!range.is_empty()).then_some(range)
            }
        };
        let parts: Option<Vec<_>> = text.trim().split('.').map(part).collect();
        parts.map(Self).ok_or_else(|| format!("`{text}` is not a selection, like 6.4.*, 9 or 1-4"))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &RangeInclusive<u32>| match (part.start(), part.end()) {
            _ if *part == ANY => "*".to_owned(),
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        };
        let parts: Vec<String> = self.0.iter().map(part).collect();
        out.write_str(&parts.join("."))
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(text: &str) -> CaseId {
        text.parse().expect("a case")
    }

    fn selects(pattern: &str, text: &str) -> bool {
        pattern.parse::<Pattern>().expect("a pattern").matches(&case(text))
    }

    #[test]
    fn cases_are_ordered_as_numbers() {
        let mut cases = ["10.1.1", "6.10.1", "2.11", "6.9.4", "2.2"].map(case);
        cases.sort();
        assert_eq!(cases.map(|c| c.to_string()), ["2.2", "2.11", "6.9.4", "6.10.1", "10.1.1"]);
        assert_eq!(case("6.4").child(3), case("6.4.3"));
        assert_eq!(case("12.1.1").group(), 12);
    }

    #[test]
    fn patterns_select() {
        for pattern in ["6.4.3", "6.4", "6", "6.4.*", "6.*", "6.*.3", "*.4.3", "*", " 6.*"] {
            assert!(selects(pattern, "6.4.3"), "{pattern}");
        }
        for pattern in ["6.4.3-3", "6.4.1-3", "6.*.3-5", "1-7", "6-7.4-4"] {
            assert!(selects(pattern, "6.4.3"), "{pattern}");
        }
        assert!(selects("1.*", "1.1.8"));
        assert!(selects("2.*", "2.11"));
    }

    #[test]
    fn patterns_do_not_select() {
        assert!(!selects("1.*", "10.1.1"));
        assert!(!selects("1", "10.1.1"));
        assert!(!selects("6.4.3", "6.4.33"));
        assert!(!selects("6.4.*", "6.5.1"));
        assert!(!selects("2.1", "2.11"));
        assert!(!selects("2.1.*", "2.1"));
        assert!(!selects("6.4.1-2", "6.4.3"));
        assert!(!selects("6.4.4-10", "6.4.3"));
        assert!(!selects("1-5", "6.4.3"));
    }

    #[test]
    fn what_is_no_case_and_no_pattern() {
        for text in ["", "6.", ".6", "a", "6.x", "6..4", "-1", "6.4*"] {
            assert!(text.parse::<CaseId>().is_err(), "{text}");
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
        for text in ["4-1", "1-", "-4", "1-2-3", "*-4", "1-*"] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
        assert!("6.*".parse::<CaseId>().is_err());
    }

    #[test]
    fn patterns_are_shown_as_they_were_written() {
        for text in ["6.4.3", "9.*.2", "12.*.1-4", "*"] {
            assert_eq!(text.parse::<Pattern>().expect("a pattern").to_string(), text);
        }
    }
}
