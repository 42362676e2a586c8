//! What is percent-encoded in a request target (RFC 3986 §2.1), and the parameters of its query.

use std::borrow::Cow;

/// The bytes that `text` stands for. A `%` that begins no escape stands for itself.
pub fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    unescape(text, |_| false)
}

/// The same, but what `keep` names stays escaped.
pub(super) fn unescape(text: &[u8], keep: impl Fn(u8) -> bool) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let [byte, behind @ ..] = rest {
        let escaped = match (byte, behind) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)).map(|(h, l)| h << 4 | l),
            _ => None,
        };
        match escaped.filter(|byte| !keep(*byte)) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    Cow::Owned(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The value of the first parameter of that name in a query (`a=1&b=2`), decoded as forms encode
/// it: `+` is a space. Empty for one without `=`.
pub fn parameter<'q>(query: &'q str, name: &str) -> Option<Cow<'q, [u8]>> {
    query.split('&').find_map(|part| {
        let (this, value) = part.split_once('=').unwrap_or((part, ""));
        (*form(this) == *name.as_bytes()).then(|| form(value))
    })
}

fn form(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('+') {
        return decode(text.as_bytes());
    }
    let spaced: Vec<u8> = text.bytes().map(|b| if b == b'+' { b' ' } else { b }).collect();
    Cow::Owned(decode(&spaced).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (text, bytes) in [
            ("/a/b", &b"/a/b"[..]),
            ("%2fa%2Fb%20", b"/a/b "),
            ("caf%C3%A9%00", b"caf\xc3\xa9\0"),
            ("100%", b"100%"),
            ("%4", b"%4"),
            ("%zz%%41", b"%zz%A"),
            ("%2541", b"%41"),
            ("a+b", b"a+b"),
        ] {
            assert_eq!(*decode(text.as_bytes()), *bytes, "{text}");
        }
        assert!(matches!(decode(b"plain"), Cow::Borrowed(_)));
        assert_eq!(*unescape(b"%41%2f%25%2F", |b| b == b'/' || b == b'%'), *b"A%2f%25%2F");
    }

    #[test]
    fn parameters() {
        let query = "a=1&b=x+y%2B%26&a=2&c&=d&%65=%3d=&&f=";
        for (name, value) in [
            ("a", Some(&b"1"[..])),
            ("b", Some(b"x y+&")),
            ("c", Some(b"")),
            ("", Some(b"d")),
            ("e", Some(b"==")),
            ("f", Some(b"")),
            ("g", None),
            ("%65", None),
        ] {
            assert_eq!(parameter(query, name).as_deref(), value, "{name}");
        }
        assert_eq!(parameter("", "").as_deref(), Some(&b""[..]));
    }
}
