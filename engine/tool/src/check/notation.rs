//! The notation of the corpus for frames: what a row sends, as a person reads it.
//!
//! `text "he" | ping <00 01> | close 1000 "bye"`: frames, parted by `|`. A frame is a kind (`text`,
//! `bin`, `cont`, `ping`, `pong`, `close`, `op3` to `op15`), its oddities behind slashes (`/more`:
//! without FIN; `/rsv1`, `/rsv2`, `/rsv3`; `/unmasked`; `/len16`, `/len64`: a length in more bytes
//! than it needs; `/says=N`: a length that is not true; `/deflate`: compressed, with RSV1), then
//! its payload: texts, bytes in `<hex>`, and numbers, which are two bytes; each may have a `*N`
//! behind it. `raw` sends a payload without a frame, `wait N` nothing for so many milliseconds,
//! `(...)*N` what is inside so many times.

use flate2::{Compress, Compression, FlushCompress};
use ringws_kit::{FIN, Frame, Length};
use std::iter::Peekable;
use std::str::Chars;

/// What is not in the notation, and what stands from there on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at \"{rest}\"")]
pub(crate) struct NotationError {
    what: String,
    rest: String,
}

type Result<T> = std::result::Result<T, NotationError>;

/// What is done with the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Vec<u8>),
    /// Milliseconds.
    Wait(u64),
}

/// A message that is expected: the first byte of its frame, and its payload.
pub(crate) type Said = (u8, Vec<u8>);

/// What a text of the notation does.
pub(crate) fn steps(text: &str) -> Result<Vec<Step>> {
    let mut parser = Parser { chars: text.chars().peekable() };
    let mut steps = parser.list()?;
    parser.must_end()?;
    steps.dedup_by(|next, before| match (next, before) {
        (Step::Send(next), Step::Send(before)) => {
            before.append(next);
            true
        }
        _ => false,
    });
    Ok(steps)
}

/// One whole message.
pub(crate) fn message(text: &str) -> Result<Said> {
    let mut parser = Parser { chars: text.chars().peekable() };
    let kind = parser.word();
    let opcode = opcode(&kind).ok_or_else(|| parser.error(format!("no frame \"{kind}\"")))?;
    let payload = parser.payload()?;
    parser.must_end()?;
    Ok((FIN | opcode, payload))
}

/// Only a payload.
pub(crate) fn payload(text: &str) -> Result<Vec<u8>> {
    let mut parser = Parser { chars: text.chars().peekable() };
    let payload = parser.payload()?;
    parser.must_end()?;
    Ok(payload)
}

fn opcode(kind: &str) -> Option<u8> {
    Some(match kind {
        "cont" => 0,
        "text" => 1,
        "bin" => 2,
        "close" => 8,
        "ping" => 9,
        "pong" => 10,
        _ => kind.strip_prefix("op")?.parse().ok().filter(|opcode| *opcode < 16)?,
    })
}

/// A message compressed alone, without the four bytes that end it (RFC 7692 §7.2.1).
pub(crate) fn deflated(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() / 2 + 64);
    let mut compress = Compress::new(Compression::default(), false);
    loop {
        let taken = compress.total_in() as usize;
        out.reserve(64);
        let flush = FlushCompress::Sync;
        if compress.compress_vec(&payload[taken..], &mut out, flush).is_err() {
            unreachable!("compressing has no bad input");
        }
        if compress.total_in() as usize == payload.len() && out.len() < out.capacity() {
            break;
        }
    }
    let whole = out.strip_suffix(&[0, 0, 0xFF, 0xFF]).map(<[u8]>::len);
    out.truncate(whole.unwrap_or(out.len()));
    out
}

/// The oddities of a frame.
#[derive(Default)]
struct Odd {
    bits: u8,
    unmasked: bool,
    length: Length,
    says: Option<u64>,
    deflate: bool,
}

struct Parser<'t> {
    chars: Peekable<Chars<'t>>,
}

impl Parser<'_> {
    fn list(&mut self) -> Result<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            match self.next_sign() {
                None | Some(')') => return Ok(steps),
                Some('|') => {
                    self.chars.next();
                }
                Some('(') => {
                    self.chars.next();
                    let inside = self.list()?;
                    self.must_be(')')?;
                    let times = self.times()?;
                    steps.extend(std::iter::repeat_n(inside, times).flatten());
                }
                Some(_) => steps.push(self.step()?),
            }
        }
    }

    fn step(&mut self) -> Result<Step> {
        let kind = self.word();
        match kind.as_str() {
            "wait" => return Ok(Step::Wait(self.number()?)),
            "raw" => return Ok(Step::Send(self.payload()?)),
            _ => {}
        }
        let opcode = opcode(&kind).ok_or_else(|| self.error(format!("no frame \"{kind}\"")))?;
        let Odd { bits, unmasked, length, says, deflate } = self.oddities()?;
        let mut payload = self.payload()?;
        if deflate {
            payload = deflated(&payload);
        }
        let mut frame = Frame::new((FIN | opcode) ^ bits, &payload).length(length);
        if let Some(says) = says {
            frame = frame.declares(says);
        }
        if unmasked {
            frame = frame.unmasked();
        }
        Ok(Step::Send(frame.bytes()))
    }

    fn oddities(&mut self) -> Result<Odd> {
        let mut odd = Odd::default();
        while self.chars.next_if_eq(&'/').is_some() {
            match self.word().as_str() {
                "more" => odd.bits |= FIN,
                "rsv1" => odd.bits |= 0x40,
                "rsv2" => odd.bits |= 0x20,
                "rsv3" => odd.bits |= 0x10,
                "deflate" => (odd.bits, odd.deflate) = (odd.bits | 0x40, true),
                "unmasked" => odd.unmasked = true,
                "len16" => odd.length = Length::Two,
                "len64" => odd.length = Length::Eight,
                "says" => {
                    self.must_be('=')?;
                    odd.says = Some(self.number()?);
                }
                other => return Err(self.error(format!("no oddity \"{other}\""))),
            }
        }
        Ok(odd)
    }

    fn payload(&mut self) -> Result<Vec<u8>> {
        let mut payload = Vec::new();
        loop {
            let one = match self.next_sign() {
                Some('"') => self.quoted()?,
                Some('<') => self.hex()?,
                Some('0'..='9') => {
                    let number = self.number()?;
                    let number = u16::try_from(number);
                    number.map_err(|_| self.error("more than two bytes"))?.to_be_bytes().into()
                }
                _ => return Ok(payload),
            };
            payload.extend(one.repeat(self.times()?));
        }
    }

    fn quoted(&mut self) -> Result<Vec<u8>> {
        self.chars.next();
        let mut text = String::new();
        while let Some(sign) = self.chars.next() {
            match sign {
                '"' => return Ok(text.into_bytes()),
                '\\' => text.push(match self.chars.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('0') => '\0',
                    Some(other @ ('"' | '\\')) => other,
                    _ => return Err(self.error("no such escape")),
                }),
                other => text.push(other),
            }
        }
        Err(self.error("a text without end"))
    }

    fn hex(&mut self) -> Result<Vec<u8>> {
        self.chars.next();
        let mut digits = String::new();
        while let Some(sign) = self.chars.next_if(|sign| *sign != '>') {
            if sign.is_ascii_hexdigit() {
                digits.push(sign);
            } else if sign != ' ' {
                return Err(self.error(format!("\"{sign}\" among hex digits")));
            }
        }
        self.must_be('>')?;
        if digits.len() % 2 == 1 {
            return Err(self.error("half a byte"));
        }
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap_or_default();
        Ok((0..digits.len()).step_by(2).map(byte).collect())
    }

    /// The number behind a `*`; 1 when there is none.
    fn times(&mut self) -> Result<usize> {
        match self.chars.next_if_eq(&'*') {
            None => Ok(1),
            Some(_) => Ok(self.number()? as usize),
        }
    }

    fn number(&mut self) -> Result<u64> {
        self.next_sign();
        let digits = self.word();
        digits.replace('_', "").parse().map_err(|_| self.error(format!("no number \"{digits}\"")))
    }

    fn word(&mut self) -> String {
        self.next_sign();
        let mut word = String::new();
        while let Some(sign) = self.chars.next_if(|sign| sign.is_alphanumeric() || *sign == '_') {
            word.push(sign);
        }
        word
    }

    /// What comes next that is no space.
    fn next_sign(&mut self) -> Option<char> {
        while self.chars.next_if(|sign| sign.is_whitespace()).is_some() {}
        self.chars.peek().copied()
    }

    fn must_be(&mut self, sign: char) -> Result<()> {
        match self.chars.next_if_eq(&sign) {
            Some(_) => Ok(()),
            None => Err(self.error(format!("no \"{sign}\""))),
        }
    }

    fn must_end(&mut self) -> Result<()> {
        match self.next_sign() {
            None => Ok(()),
            Some(_) => Err(self.error("more than was expected")),
        }
    }

    fn error(&self, what: impl Into<String>) -> NotationError {
        NotationError { what: what.into(), rest: self.chars.clone().take(24).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str) -> Vec<u8> {
        match steps(text).unwrap().as_slice() {
            [Step::Send(bytes)] => bytes.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn frames_are_written_as_they_read() {
        let hello = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        assert_eq!(sent("text \"Hello\""), hello);
        assert_eq!(sent("text/unmasked \"Hello\""), b"\x81\x05Hello");
        assert_eq!(
            sent("text/more/unmasked \"Hel\" | cont/unmasked \"lo\""),
            b"\x01\x03Hel\x80\x02lo"
        );
        assert_eq!(sent("close/unmasked 1000 \"x\""), b"\x88\x03\x03\xe8x");
        assert_eq!(sent("op11/rsv1/rsv2/rsv3/unmasked"), b"\xfb\x00");
        assert_eq!(sent("bin/len16/unmasked"), b"\x82\x7e\0\0");
        assert_eq!(sent("bin/len64/says=9/unmasked \"a\"*2"), b"\x82\x7f\0\0\0\0\0\0\0\x09aa");
        assert_eq!(
            sent("(raw <01 02>*2 | raw \"\\\"\")*2"),
            b"\x01\x02\x01\x02\"\x01\x02\x01\x02\""
        );
        let compressed = sent("text/deflate/unmasked \"Hello\"");
        assert_eq!(compressed, b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00", "RFC 7692 §7.2.3.1");
    }

    #[test]
    fn pauses_part_what_is_sent() {
        let read = steps("raw <01> | raw <02> | wait 20 | raw <03>").unwrap();
        assert_eq!(read, [Step::Send(vec![1, 2]), Step::Wait(20), Step::Send(vec![3])]);
        assert_eq!(message("bin <01>*2").unwrap(), (0x82, vec![1, 1]));
        assert_eq!(payload("1000 \"é\"").unwrap(), b"\x03\xe8\xc3\xa9");
    }

    #[test]
    fn what_is_not_in_the_notation_is_told_with_its_place() {
        for (text, what) in [
            ("tekst \"x\"", "no frame \"tekst\""),
            ("text/odd \"x\"", "no oddity \"odd\""),
            ("text \"x", "a text without end"),
            ("text <0g>", "\"g\" among hex digits"),
            ("text <0>", "half a byte"),
            ("close 70000", "more than two bytes"),
            ("(text \"x\"", "no \")\""),
            ("text \"x\" )", "more than was expected"),
            ("op16", "no frame \"op16\""),
        ] {
            assert!(steps(text).unwrap_err().to_string().contains(what), "{text}");
        }
    }

    #[test]
    fn large_payloads_are_compressed_whole() {
        let text = ringws_kit::payload(3, 300_000);
        let mut bytes = deflated(&text);
        bytes.extend([0, 0, 0xFF, 0xFF]);
        let mut out = Vec::with_capacity(400_000);
        let mut inflate = flate2::Decompress::new(false);
        inflate.decompress_vec(&bytes, &mut out, flate2::FlushDecompress::Sync).unwrap();
        assert_eq!(out, text);
    }
}
