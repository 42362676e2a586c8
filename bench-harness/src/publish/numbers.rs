//! Numbers as people read them: three significant digits.

/// With `k` for thousands and `M` for millions.
pub fn count(value: f64) -> String {
    match value.abs() {
        size if size >= 999_500.0 => significant(value / 1e6) + " M",
        size if size >= 9_995.0 => significant(value / 1e3) + " k",
        size if size >= 1_000.0 => format!("{},{:03}", value as u64 / 1000, value as u64 % 1000),
        _ => significant(value),
    }
}

/// Bytes, with binary units.
pub fn bytes(value: f64) -> String {
    match value.abs() {
        size if size >= 1048576.0 => significant(value / 1048576.0) + " MiB",
        size if size >= 10240.0 => significant(value / 1024.0) + " KiB",
        _ => count(value.round()) + " B",
    }
}

/// Microseconds, or milliseconds from a thousand on.
pub fn microseconds(value: f64) -> String {
    if value >= 999.5 { significant(value / 1e3) + " ms" } else { significant(value) + " µs" }
}

/// A ratio with two digits behind the point.
pub fn ratio(value: f64) -> String {
    format!("{value:.2}")
}

/// A share of one as per cent.
pub fn share(value: f64) -> String {
    format!("{:.0} %", value * 100.0)
}

/// Three significant digits, no exponent.
pub fn significant(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        size if size >= 0.0995 => 3,
        _ => 4,
    };
    format!("{value:.digits$}")
}

/// A number in words without the zeros at the end of its fraction.
pub fn short(text: &str) -> String {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    [number, unit].join(" ").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_whatever_the_size() {
        let counts = [(0.0, "0"), (5.0, "5.00"), (999.0, "999"), (1004.0, "1,004")];
        let large = [(9_999.0, "10.0 k"), (223_400.0, "223 k"), (9_760_000.0, "9.76 M")];
        for (value, text) in counts.into_iter().chain(large) {
            assert_eq!(count(value), text);
        }
        assert_eq!(count(999_999.0), "1.00 M");
        assert_eq!(
            (microseconds(4.394), microseconds(0.1016)),
            ("4.39 µs".into(), "0.102 µs".into())
        );
        assert_eq!(microseconds(12_345.0), "12.3 ms");
        assert_eq!((bytes(362.0), bytes(13_900.0)), ("362 B".into(), "13.6 KiB".into()));
        assert_eq!(bytes(3.0 * 1048576.0), "3.00 MiB");
        assert_eq!((short("10.0 k"), short("100")), ("10 k".into(), "100".into()));
        assert_eq!((short("2.50"), short("0 µs")), ("2.5".into(), "0 µs".into()));
        assert_eq!((share(0.954), ratio(1.005_1)), ("95 %".into(), "1.01".into()));
    }
}
