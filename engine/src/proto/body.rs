//! A body without what frames it (RFC 9112 §6, §7): of an answer that refuses its first bytes, of a
//! request all of it.

use super::field;
use super::handshake::refusal::Refusal;
use super::head::HeadReader;
use super::input::Input;

/// Digits of the size of a chunk.
const DIGITS_MAX: u16 = 16;
/// Bytes of the extensions of all chunks together: nobody reads them (RFC 9112 §7.1.1).
const EXTENSIONS_MAX: u16 = 1 << 10;
/// Bytes of the trailers of a request, which nobody reads either.
const TRAILERS_MAX: usize = 4 << 10;
/// And how many they may be.
const TRAILER_FIELDS_MAX: usize = 32;

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

/// Collects a body that comes in parts, cut anywhere.
#[derive(Debug)]
pub(crate) struct Body {
    framing: Framing,
    at: At,
    /// Bytes of extensions so far.
    extensions: u16,
    kept: Vec<u8>,
    trailers: Option<HeadReader>,
}

/// What comes next of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// A digit of a size, behind so many.
    Size(u64, u16),
    /// More of what follows a size on its line.
    Extension(u64),
    /// The LF of that line.
    Data(u64),
    /// The line is over: so many bytes of data.
    Left(u64),
    /// What ends the data: CR and LF.
    Cr,
    Lf,
    /// Trailers: the last chunk has come.
    Last,
    /// Nothing: what came was none of these, and of the rest nobody could say what it means.
    Malformed,
}

impl Body {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, at: At::Size(0, 0), extensions: 0, kept: Vec::new(), trailers: None }
    }

    /// Bytes that it holds.
    pub(crate) fn collected(&self) -> usize {
        self.kept.len() + self.trailers.as_ref().map_or(0, HeadReader::collected)
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
                if matches!(self.at, At::Last | At::Malformed) {
                    return true;
                }
            }
        }
        self.kept.len() >= max
    }

    /// Takes the input of a request's body up to its end, with the trailers. Whether that has come.
    ///
    /// # Errors
    /// 413 for more than `max` bytes, 400 for what is no chunk and no trailer, 431 for too many
    /// trailers.
    pub(crate) fn receive(&mut self, input: &mut Input<'_>, max: usize) -> Result<bool, Refusal> {
        if let Framing::Length(left) = &mut self.framing {
            *left -= keep(&mut self.kept, input, *left, max);
            return Ok(*left == 0);
        }
        self.take_chunks(input, max.saturating_add(1));
        if self.kept.len() > max {
            return Err(Refusal::new(413));
        }
        match self.at {
            At::Last => {}
            At::Malformed => return Err(Refusal::new(400).because("malformed chunk")),
            _ => return Ok(false),
        }
        let trailers = self.trailers.get_or_insert_with(HeadReader::behind_a_line);
        let Some(lines) = trailers.feed(input, TRAILERS_MAX)? else { return Ok(false) };
        let mut slots = [httparse::EMPTY_HEADER; TRAILER_FIELDS_MAX];
        let lines = lines.as_bytes().get(2..).unwrap_or_default();
        match httparse::parse_headers(lines, &mut slots) {
            Ok(httparse::Status::Complete(_)) => Ok(true),
            Err(httparse::Error::TooManyHeaders) => {
                Err(Refusal::new(431).because("too many trailers"))
            }
            _ => Err(Refusal::new(400).because("malformed trailer")),
        }
    }

    fn take_chunks(&mut self, input: &mut Input<'_>, max: usize) {
        while !input.is_empty()
            && !matches!(self.at, At::Last | At::Malformed)
            && self.kept.len() < max
        {
            if let At::Left(left) = self.at {
                self.at = match left - keep(&mut self.kept, input, left, max) {
                    0 => At::Cr,
                    left => At::Left(left),
                };
            } else if let [byte] = input.take(1) {
                self.at = self.at.behind(*byte);
                self.extensions += u16::from(matches!(self.at, At::Extension(_)));
                if self.extensions > EXTENSIONS_MAX {
                    self.at = At::Malformed;
                }
            }
        }
    }
}

impl At {
    /// Where a byte of framing leads.
    fn behind(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size(size, 1..) | Self::Extension(size), b'\r') => Self::Data(size),
            (Self::Size(size, 1..), b';') => Self::Extension(size),
            (Self::Size(size, len @ ..DIGITS_MAX), digit) => {
                let digit = char::from(digit).to_digit(16).map(u64::from);
                let size = digit.and_then(|digit| size.checked_mul(16)?.checked_add(digit));
                size.map_or(Self::Malformed, |size| Self::Size(size, len + 1))
            }
            (Self::Extension(size), byte) if field::is_value(&[byte]) => Self::Extension(size),
            (Self::Data(0), b'\n') => Self::Last,
            (Self::Data(size), b'\n') => Self::Left(size),
            (Self::Cr, b'\r') => Self::Lf,
            (Self::Lf, b'\n') => Self::Size(0, 0),
            _ => Self::Malformed,
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
            (b"3;a=\"b\"\r\nhel\r\n02\r\nlo\r\n000\r\nTrailer: x\r\n\r\n", b"hello", true),
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
            (b"5 \r\nhello", b""),
            (b"5;\0\r\nhello", b""),
            (&b"0".repeat(1 + usize::from(DIGITS_MAX)), b""),
            (&[&b"5;"[..], &[b'x'; EXTENSIONS_MAX as usize]].concat(), b""),
        ] {
            assert_eq!(chunked(text), (kept.to_vec(), true), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn no_more_is_kept_than_is_wanted() {
        let chunks = b"1\r\nx\r\n".repeat(3000);
        assert_eq!(chunked(&chunks[..6 * 1024]), (vec![b'x'; 1024], true));
        let mut body = Body::new(Framing::Chunked);
        let mut bytes = chunks;
        let mut input = Input::new(&mut bytes);
        assert!(body.take(&mut input, 1024));
        assert!(body.kept == [b'x'; 1024] && !input.is_empty());
    }

    /// What a request's body comes to, however it is cut: its bytes and what is behind it, or a
    /// status; `None` while it goes on.
    fn received(
        framing: Framing,
        text: &[u8],
        max: usize,
    ) -> Option<Result<(Vec<u8>, usize), u16>> {
        let mut found = None;
        for cut in 0..=text.len() {
            let mut body = Body::new(framing);
            let mut bytes = text.to_vec();
            let (one, two) = bytes.split_at_mut(cut);
            let (mut one, mut two) = (Input::new(one), Input::new(two));
            let over = match body.receive(&mut one, max) {
                Ok(false) => body.receive(&mut two, max),
                over => over,
            };
            let got = match over {
                Ok(true) => Some(Ok((body.into_kept(), one.len() + two.len()))),
                Ok(false) => None,
                Err(refusal) => Some(Err(refusal.status)),
            };
            assert_eq!(found.get_or_insert_with(|| got.clone()), &got, "cut at {cut}");
        }
        found.expect("at least one cut")
    }

    #[test]
    fn bodies_of_requests() {
        let chunked = |text: &[u8]| received(Framing::Chunked, text, 8);
        for (text, rest) in [
            (&b"5\r\nhello\r\n0\r\n\r\n"[..], 0),
            (b"5;a=b\r\nhello\r\n0;x\r\nA: b\r\nC:\r\n\r\nGET /", 5),
            (b"2\r\nhe\r\n3\r\nllo\r\n00\r\n\r\n\r\n", 2),
        ] {
            let got = chunked(text);
            assert_eq!(got, Some(Ok((b"hello".to_vec(), rest))), "{}", text.escape_ascii());
        }
        let long = [&b"0\r\nX: "[..], &[b'x'; TRAILERS_MAX]].concat();
        let many = [&b"0\r\n"[..], &b"X: y\r\n".repeat(TRAILER_FIELDS_MAX + 1), b"\r\n"].concat();
        for (text, status) in [
            (&b"9\r\nhello you\r\n"[..], 413),
            (b"8\r\nhello yo\r\n1\r\nu", 413),
            (b"5\r\nhello!", 400),
            (b"5\r\nhello\r\n0\r\nA : b\r\n\r\n", 400),
            (b"5\r\nhello\r\n0\r\n b\r\n\r\n", 400),
            (b"0\r\nGET / HTTP/1.1\r\n\r\n", 400),
            (b"0\r\n\n", 400),
            (&long, 431),
            (&many, 431),
        ] {
            assert_eq!(chunked(text), Some(Err(status)), "{}", text.escape_ascii());
        }
        assert_eq!(chunked(b"5\r\nhello\r\n0\r\n"), None);
        assert_eq!(received(Framing::Length(5), b"hell", 8), None);
        assert_eq!(
            received(Framing::Length(5), b"hello, you", 8),
            Some(Ok((b"hello".to_vec(), 5)))
        );
    }
}
