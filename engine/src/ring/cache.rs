//! The second-level cache of this machine, and what large buffers it can keep.

use std::sync::OnceLock;

/// Where nothing is known: the smallest that servers have had for years.
const UNKNOWN: usize = 512 << 10;
/// Smaller is not believed, and larger is not counted on: other work has its share.
const BELIEVED: std::ops::RangeInclusive<usize> = 256 << 10..=2 << 20;

/// Bytes of the second-level cache of a CPU, as the kernel tells it in `/sys`.
pub(super) fn second_level() -> usize {
    static FOUND: OnceLock<usize> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let bytes = (0..8).find_map(|index| {
            let at = format!("/sys/devices/system/cpu/cpu0/cache/index{index}");
            let read = |file: &str| std::fs::read_to_string(format!("{at}/{file}")).ok();
            (read("level")?.trim() == "2").then(|| parse(&read("size")?))?
        });
        bytes.unwrap_or(UNKNOWN).clamp(*BELIEVED.start(), *BELIEVED.end())
    })
}

/// A size as the kernel writes it: `512K`.
fn parse(text: &str) -> Option<usize> {
    let text = text.trim();
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        _ => (text, 0),
    };
    digits.parse::<usize>().ok()?.checked_shl(shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_the_kernel_writes_them() {
        assert_eq!(parse("512K\n"), Some(512 << 10));
        assert_eq!(parse("2M"), Some(2 << 20));
        assert_eq!(parse("4096"), Some(4096));
        assert_eq!((parse(""), parse("K"), parse("many")), (None, None, None));
        assert!(BELIEVED.contains(&second_level()));
    }
}
