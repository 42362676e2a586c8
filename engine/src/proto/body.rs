//! The body of an answer that refuses: its first bytes, without what frames it (RFC 9112 §6, §7).

use super::input::Input;

/// Bytes of one line of chunked framing; more ends the body.
const LINE_MAX: u16 = 256;

/// How the end of a body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes.
    Length(u64),
    /// In chunks, each with its size before it.
    Chunked,
    /// It ends with the connection.
    UntilEnd,
}

/// Collects the first bytes of a body that comes in parts, cut anywhere.
#[derive(Debug)]
pub(crate) struct Body {
    framing: Framing,
    at: At,
    kept: Vec<u8>,
}

/// What comes next of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// A digit of a size, after so many bytes of its line.
    Size(u64, u16),
    /// What follows a size on its line, after so many bytes.
    Extension(u64, u16),
    /// The LF of that line.
    Data(u64),
    /// The line is over: so many bytes of data.
    Left(u64),
    /// What ends the data: CR and LF.
    Cr,
    Lf,
    /// The last chunk has come, or what is none: the body ends.
    Over,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, at: At::Size(0, 0), kept: Vec::new() }
    }

    /// What has come of it.
    pub(crate) fn into_kept(self) -> Vec<u8> {
        self.kept
    }

    /// Takes input, and keeps at most `max` bytes in all. Whether that is all that is wanted: those
    /// have come, or the body is over. Trailers are not waited for.
    pub(crate) fn take(&mut self, input: &mut Input<'_>, max: usize) -> bool {
        match &mut self.framing {
            Framing::UntilEnd => {
                keep(&mut self.kept, input, u64::MAX, max);
            }
            Framing::Length(left) => {
                *left -= keep(&mut self.kept, input, *left, max);
                if *left == 0 {
                    return true;
                }
            }
            Framing::Chunked => {
                self.take_chunks(input, max);
                if self.at == At::Over {
                    return true;
                }
            }
        }
        self.kept.len() >= max
    }

    fn take_chunks(&mut self, input: &mut Input<'_>, max: usize) {
        while !input.is_empty() && self.at != At::Over && self.kept.len() < max {
            if let At::Left(left) = self.at {
                self.at = match left - keep(&mut self.kept, input, left, max) {
                    0 => At::Cr,
                    left => At::Left(left),
                };
            } else if let [byte] = input.take(1) {
                self.at = self.at.behind(*byte);
            }
        }
    }
}

impl At {
    /// Where a byte of framing leads. What is malformed ends the body: the status is known, and of
    /// the rest nobody could say what it means.
    fn behind(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size(_, LINE_MAX..) | Self::Extension(_, LINE_MAX..), _) => Self::Over,
            (Self::Size(size, 1..) | Self::Extension(size, _), b'\r') => Self::Data(size),
            (Self::Size(size, len @ 1..), b';' | b' ' | b'\t') => Self::Extension(size, len + 1),
            (Self::Size(size, len), digit) => {
                let digit = char::from(digit).to_digit(16).map(u64::from);
                let size = digit.and_then(|digit| size.checked_mul(16)?.checked_add(digit));
                size.map_or(Self::Over, |size| Self::Size(size, len + 1))
            }
            (Self::Extension(size, len), _) if byte != b'\n' => Self::Extension(size, len + 1),
            (Self::Data(size @ 1..), b'\n') => Self::Left(size),
            (Self::Cr, b'\r') => Self::Lf,
            (Self::Lf, b'\n') => Self::Size(0, 0),
            _ => Self::Over,
        }
    }
}

/// Moves what there is and is wanted of `left` bytes, and says how many these are.
fn keep(kept: &mut Vec<u8>, input: &mut Input<'_>, left: u64, max: usize) -> u64 {
    let left = usize::try_from(left).unwrap_or(usize::MAX);
    let come = input.take((max - kept.len()).min(left));
    kept.extend_from_slice(come);
    come.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of it, and whether it was over, however it is cut.
    fn chunked(text: &[u8]) -> (Vec<u8>, bool) {
        let mut found = None;
        for cut in 0..=text.len() {
            let mut body = Body::new(Framing::Chunked);
            let mut bytes = text.to_vec();
            let (one, two) = bytes.split_at_mut(cut);
            let over =
                body.take(&mut Input::new(one), 1024) || body.take(&mut Input::new(two), 1024);
            let got = (body.into_kept(), over);
            assert_eq!(found.get_or_insert_with(|| got.clone()), &got, "cut at {cut}");
        }
        found.expect("at least one cut")
    }

    #[test]
    fn chunks_are_put_together() {
        for (text, kept, over) in [
            (&b"5\r\nhello\r\n0\r\n"[..], &b"hello"[..], true),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello", true),
            (b"3;a=\"b\"\r\nhel\r\n02 \r\nlo\r\n000\r\nTrailer: x\r\n\r\n", b"hello", true),
            (b"A\r\n\r\n0\r\n\r\n12\r\n0\r\n", b"\r\n0\r\n\r\n12\r", true),
            (b"0\r\n\r\n", b"", true),
            (b"5\r\nhel", b"hel", false),
            (b"5\r\nhello\r\n", b"hello", false),
            (b"ffffffffffffffff\r\nx", b"x", false),
        ] {
            assert_eq!(chunked(text), (kept.to_vec(), over), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_chunk_ends_the_body() {
        for (text, kept) in [
            (&b"\r\n"[..], &b""[..]),
            (b"x\r\n", b""),
            (b" 5\r\nhello", b""),
            (b"-5\r\nhello", b""),
            (b"0x5\r\nhello", b""),
            (b"5\nhello", b""),
            (b"5\rhello", b""),
            (b"5;a\nhello", b""),
            (b"5\r\nhello5\r\n", b"hello"),
            (b"5\r\nhello\n0\r\n", b"hello"),
            (b"5\r\nhello\r\nworld", b"hello"),
            (b"10000000000000000\r\nx", b""),
            (&b"0".repeat(2 * usize::from(LINE_MAX)), b""),
            (&[&b"5;"[..], &[b'x'; 2 * LINE_MAX as usize]].concat(), b""),
        ] {
            assert_eq!(chunked(text), (kept.to_vec(), true), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn no_more_is_kept_than_is_wanted() {
        let chunks = b"1;extension\r\nx\r\n".repeat(3000);
        assert_eq!(chunked(&chunks[..16 * 1024 + 16]), (vec![b'x'; 1024], true));
        let mut body = Body::new(Framing::Chunked);
        let mut bytes = chunks;
        let mut input = Input::new(&mut bytes);
        assert!(body.take(&mut input, 1024));
        assert!(body.kept == [b'x'; 1024] && !input.is_empty());
    }
}
