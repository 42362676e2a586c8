//! Sizes as people write them.

/// `512`, `64k`, `16M`, `2G`: of 1024 bytes, and powers of that.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|sign: char| !sign.is_ascii_digit());
    let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err("a size is a number, or one with k, M or G".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "a size begins with a number".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "more than there is".into())
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read() {
        let read = ["7", "64k", "1M", "2GiB", "16b"].map(|text| size(text).unwrap());
        assert_eq!(read, [7, 65_536, 1 << 20, 2 << 30, 16]);
        for bad in ["", "k", "1x", "99999999999G", "-1"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
