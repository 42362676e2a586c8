//! What a server has sent, taken apart, and where it breaks RFC 6455 itself.

use super::notation::Said;
use flate2::{Decompress, FlushDecompress, Status};
use ringws_kit::{BINARY, CLOSE, FIN, NONCE, PING, PONG, TEXT};

/// A server's frames are read up to so long a message.
const MESSAGE_MAX: usize = 64 << 20;

/// All that was heard on a connection.
#[derive(Default)]
pub(crate) struct Heard {
    /// The head of the answer, with its empty line.
    pub(crate) head: Option<String>,
    /// How much of what came was read.
    read: usize,
    pub(crate) messages: Vec<Said>,
    pub(crate) pings: Vec<Vec<u8>>,
    pub(crate) pongs: Vec<Vec<u8>>,
    /// The payload of the first Close.
    pub(crate) close: Option<Vec<u8>>,
    /// What no server may send, with the clause.
    pub(crate) fault: Option<String>,
    /// The message under way: its first byte and what came of it.
    part: Option<(u8, Vec<u8>)>,
    /// More came than is kept: nothing is read any more.
    deaf: bool,
    inflate: Option<Decompress>,
}

impl Heard {
    /// Reads what is new of all that came.
    pub(crate) fn hear(&mut self, came: &[u8]) {
        if self.head.is_none() {
            let Some(end) = came.windows(4).position(|four| four == b"\r\n\r\n") else { return };
            self.read = end + 4;
            let head = String::from_utf8_lossy(&came[..self.read]).into_owned();
            if head.to_ascii_lowercase().contains("permessage-deflate") {
                self.inflate = Some(Decompress::new(false));
            }
            self.head = Some(head);
        }
        if self.status() != Some(101) {
            return;
        }
        while self.fault.is_none() && self.close.is_none() && !self.deaf {
            let Some((first, payload, behind)) = self.frame(&came[self.read..]) else { return };
            self.read += behind;
            self.take(first, payload);
        }
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> Option<u16> {
        let line = self.head.as_deref()?.lines().next()?;
        line.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
    }

    /// The values of a field of the answer.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        let lines = self.head.as_deref().unwrap_or_default().split("\r\n").skip(1);
        let fields = lines.filter_map(|line| line.split_once(':'));
        let named = fields.filter(|(is, _)| is.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim()).collect()
    }

    /// What of an answer with 101 a client would have to refuse (RFC 6455 §4.1).
    pub(crate) fn bad_answer(&self) -> Option<String> {
        let good = ringws_kit::answer(NONCE, &[]);
        let accept = ringws_kit::field(&good, "Sec-WebSocket-Accept").unwrap_or_default();
        if self.fields("Sec-WebSocket-Accept") != [accept] {
            return Some(format!("a 101 without Sec-WebSocket-Accept: {accept} (§4.2.2)"));
        }
        let upgrade = self.fields("Upgrade");
        if !upgrade.iter().any(|value| value.eq_ignore_ascii_case("websocket")) {
            return Some("a 101 without Upgrade: websocket (§4.2.2)".into());
        }
        let connection = self.fields("Connection").join(",").to_ascii_lowercase();
        if !connection.split(',').any(|token| token.trim() == "upgrade") {
            return Some("a 101 without Connection: Upgrade (§4.2.2)".into());
        }
        None
    }

    /// The code of the server's Close; 1005 if it has none.
    pub(crate) fn code(&self) -> Option<u16> {
        let close = self.close.as_deref()?;
        Some(close.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code)))
    }

    /// The next frame: its first byte, its payload, and where it ends.
    fn frame(&mut self, bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (len, header, least) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes(*bytes[2..].first_chunk()?)), 4, 126),
            127 => (u64::from_be_bytes(*bytes[2..].first_chunk()?), 10, 0x1_0000),
            len => (u64::from(len), 2, 0),
        };
        let compressed = self.inflate.is_some() && first & 0x0F != 0 && first & 0x08 == 0;
        let reserved = if compressed { 0x30 } else { 0x70 };
        let fault = if second & 0x80 != 0 {
            "a masked frame of a server (§5.1)"
        } else if first & reserved != 0 {
            "a reserved bit without meaning (§5.2)"
        } else if !matches!(first & 0x0F, 0..=2 | 8..=10) {
            "a frame of an unknown opcode (§5.2)"
        } else if len < least {
            "a length in more bytes than it needs (§5.2)"
        } else if first & 0x08 != 0 && (first & FIN == 0 || len > 125) {
            "a control frame in fragments, or of more than 125 bytes (§5.5)"
        } else if len > MESSAGE_MAX as u64 {
            self.deaf = true;
            return None;
        } else {
            let payload = bytes.get(header..header + len as usize)?;
            return Some((first, payload.to_vec(), header + len as usize));
        };
        self.fault = Some(fault.into());
        None
    }

    fn take(&mut self, first: u8, payload: Vec<u8>) {
        match first {
            CLOSE => self.closed(payload),
            PING => self.pings.push(payload),
            PONG => self.pongs.push(payload),
            _ => match (first & 0x0F, self.part.take()) {
                (0, None) => self.wrong("a continuation of nothing (§5.4)"),
                (0, Some((begun, mut all))) => {
                    all.extend(payload);
                    self.fragment(begun, first, all);
                }
                (_, Some(_)) => self.wrong("a message inside of another (§5.4)"),
                (_, None) => self.fragment(first, first, payload),
            },
        }
    }

    /// A message so far: `begun` is the first byte of its first frame, `last` that of its last one.
    fn fragment(&mut self, begun: u8, last: u8, mut payload: Vec<u8>) {
        if last & FIN == 0 {
            self.part = Some((begun, payload));
            return;
        }
        if begun & 0x40 != 0 {
            match self.inflated(&payload) {
                Some(message) => payload = message,
                None => return self.wrong("a message that does not inflate (RFC 7692 §7.2.2)"),
            }
        }
        let kind = FIN | begun & 0x0F;
        if kind == TEXT && std::str::from_utf8(&payload).is_err() {
            return self.wrong("text that is not UTF-8 (§8.1)");
        }
        debug_assert!(matches!(kind, TEXT | BINARY));
        self.messages.push((kind, payload));
    }

    fn closed(&mut self, payload: Vec<u8>) {
        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        match code {
            None if !payload.is_empty() => self.wrong("a Close with a body of one byte (§5.5.1)"),
            Some(1005 | 1006 | 1015) => {
                self.wrong("a Close with a code that is never sent (§7.4.1)")
            }
            Some(0..=999) => self.wrong("a Close with a code that is none (§7.4.2)"),
            Some(_) if std::str::from_utf8(&payload[2..]).is_err() => {
                self.wrong("a Close whose reason is not UTF-8 (§5.5.1)");
            }
            _ => {}
        }
        self.close = Some(payload);
    }

    fn inflated(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let inflate = self.inflate.as_mut()?;
        let input = [payload, &[0, 0, 0xFF, 0xFF]].concat();
        let (mut out, begun) = (Vec::new(), inflate.total_in());
        loop {
            out.reserve(4 << 10);
            let at = (inflate.total_in() - begun) as usize;
            let status = inflate.decompress_vec(&input[at..], &mut out, FlushDecompress::Sync);
            let at = (inflate.total_in() - begun) as usize;
            match status.ok()? {
                Status::StreamEnd => {
                    // A last block: what follows begins anew (RFC 7692 §7.2.3.4).
                    inflate.reset(false);
                    return Some(out);
                }
                _ if out.len() > MESSAGE_MAX => {
                    self.deaf = true;
                    return Some(out);
                }
                _ if at == input.len() && out.len() < out.capacity() => return Some(out),
                _ => {}
            }
        }
    }

    fn wrong(&mut self, what: &str) {
        self.fault.get_or_insert(what.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringws_kit::{Frame, answer};

    fn heard(frames: &[u8], more: &[(&str, &str)]) -> Heard {
        let bytes = [answer(NONCE, more).as_bytes(), frames].concat();
        let mut whole = Heard::default();
        whole.hear(&bytes);
        let mut drips = Heard::default();
        (1..=bytes.len()).for_each(|end| drips.hear(&bytes[..end]));
        assert_eq!((&drips.messages, &drips.fault), (&whole.messages, &whole.fault));
        whole
    }

    fn said(first: u8, payload: &str) -> Vec<u8> {
        Frame::new(first, payload).unmasked().bytes()
    }

    #[test]
    fn messages_are_put_together() {
        let frames = [
            said(1, "a"),
            said(PONG, "p"),
            said(0, "b"),
            said(FIN, "c"),
            said(CLOSE, "\x03\u{e8}"),
        ];
        let heard = heard(&frames.concat(), &[]);
        assert_eq!(heard.messages, [(TEXT, b"abc".to_vec())]);
        assert_eq!(heard.pongs, [b"p"]);
        assert_eq!((heard.status(), heard.bad_answer()), (Some(101), None));
    }

    #[test]
    fn compressed_messages_are_inflated() {
        let hello = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00";
        let agreed = [("Sec-WebSocket-Extensions", "permessage-deflate")];
        let heard = heard(hello, &agreed);
        let hello = (TEXT, b"Hello".to_vec());
        assert_eq!(heard.messages, [hello.clone(), hello], "RFC 7692 §7.2.3.1 and .2");
    }

    #[test]
    fn what_no_server_may_send_is_told() {
        for (frames, what) in [
            (Frame::new(TEXT, "").bytes(), "masked"),
            (said(0xC1, ""), "reserved"),
            (said(0x83, ""), "opcode"),
            (b"\x82\x7e\0\x01x".to_vec(), "more bytes"),
            (said(9, ""), "control frame"),
            (said(FIN, ""), "continuation"),
            ([said(1, ""), said(1, "")].concat(), "inside"),
            (b"\x81\x01\xff".to_vec(), "UTF-8"),
            (b"\x88\x02\x03\xed".to_vec(), "never sent"),
            (b"\x88\x01\x03".to_vec(), "one byte"),
        ] {
            let fault = heard(&frames, &[]).fault.expect("a fault");
            assert!(fault.contains(what), "{fault}, not {what}");
        }
        let mut other = Heard::default();
        other.hear(b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: x\r\n\r\n");
        assert!(other.bad_answer().is_some());
    }
}
