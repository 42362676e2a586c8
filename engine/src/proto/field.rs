//! The grammar of HTTP header fields, RFC 9110 §5.6, as far as the handshake uses it.

/// Whether `name` is a token (RFC 9110 §5.6.2).
pub(super) fn is_token(name: &[u8]) -> bool {
    !name.is_empty()
        && name.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// Whether `value` may be sent as a field value: no control byte but the tab, so no way to end the
/// line (RFC 9110 §5.5).
pub(super) fn is_value(value: &[u8]) -> bool {
    value.iter().all(|b| *b == b'\t' || (*b >= b' ' && *b != 0x7F))
}

/// The value without the optional white space around it.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The elements of a comma-separated list of tokens, trimmed. Empty ones are passed over (RFC 9110
/// §5.6.1.2), as many as a head has room for: each costs one comparison.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(trim).filter(|element| !element.is_empty())
}

/// The parts of a list with that separator, trimmed; empty ones included. What stands in a quoted
/// string (RFC 9110 §5.6.4) separates nothing.
pub(super) fn split(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let ends = move |b: &u8| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        escaped = quoted && *b == b'\\';
        quoted ^= *b == b'"';
        *b == separator && !quoted
    };
    value.split(ends).map(trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_values() {
        assert!(is_token(b"chat.v2"));
        for bad in [&b""[..], b"a b", b"a,b", b"a/b", b"a\r", b"\x7f", "é".as_bytes()] {
            assert!(!is_token(bad), "{bad:?}");
        }
        assert!(is_value("a\t\"b\", é".as_bytes()));
        for bad in [&b"a\r\nb"[..], b"a\n", b"\0", b"\x7f", b"\x1f"] {
            assert!(!is_value(bad), "{bad:?}");
        }
    }

    #[test]
    fn lists() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
        let all: Vec<_> = elements(b", ,a , b,,\tc,, ").collect();
        assert_eq!(all, [&b"a"[..], b"b", b"c"]);
        assert_eq!(elements(b" , \t,").count(), 0);
    }
}
