//! Topics as subjects of the broker.
//!
//! A subject is tokens with dots between; a token has no space, no control byte, and is not empty;
//! `*` and `>` stand for others. A topic is any bytes. So `topic` becomes `PREFIX.t.topic`, with
//! `%XX` for every byte that is not a visible character of ASCII, or is one of `*`, `>` and `%`. A
//! dot between two tokens stays one, so that the broker's permissions and tools can speak of
//! `PREFIX.t.market.>`; one at the beginning, at the end or behind another is `%2E`. To undo all
//! `%XX` gives the topic back, so no two topics have one subject.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The longest subject. The broker cuts a client off whose line is longer than its
/// `max_control_line`, 4,096 bytes unless it is told otherwise; between brokers the line has an
/// account's name in it, too. What would be longer is named by its SHA-256, for which nobody can
/// find a second topic; nothing has to be read back from a subject, since what comes says the
/// number of its subscription.
const LONGEST: usize = 1_024;

/// The prefix may have so many bytes.
pub(super) const PREFIX_MAX: usize = 128;

/// Whether engines can have it in common: tokens of visible characters, and none of the broker's
/// own subjects.
pub(super) fn is_prefix(prefix: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty() && token.bytes().all(|byte| is_literal(byte) && byte != b'.')
    };
    prefix.len() <= PREFIX_MAX && prefix.split('.').all(is_token) && !prefix.starts_with(['$', '_'])
}

fn is_literal(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>' | b'%')
}

/// The subject of a topic; the empty one is the channel of all engines.
pub(super) fn subject(prefix: &str, topic: &[u8]) -> String {
    if topic.is_empty() {
        return format!("{prefix}.all");
    }
    let mut subject = format!("{prefix}.t.");
    // Whether a dot may stand here: behind a byte of the same token.
    let mut in_token = false;
    for (index, &byte) in topic.iter().enumerate() {
        let separates = byte == b'.' && in_token && index + 1 < topic.len();
        if separates || is_literal(byte) && byte != b'.' {
            subject.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(subject, "%{byte:02X}");
        }
        if subject.len() > LONGEST {
            return hashed(prefix, topic);
        }
        in_token = !separates;
    }
    subject
}

fn hashed(prefix: &str, topic: &[u8]) -> String {
    let mut subject = format!("{prefix}.h.");
    for byte in Sha256::digest(topic) {
        let _ = write!(subject, "{byte:02x}");
    }
    subject
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Undoes it, as the module's text says.
    fn topic(subject: &str) -> Vec<u8> {
        let escaped = subject.strip_prefix("p.t.").expect("not hashed").as_bytes();
        let (mut topic, mut rest) = (Vec::new(), escaped);
        while let Some((&byte, behind)) = rest.split_first() {
            if byte == b'%' {
                let digits = str::from_utf8(&behind[..2]).unwrap();
                topic.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &behind[2..];
            } else {
                topic.push(byte);
                rest = behind;
            }
        }
        topic
    }

    /// What nats-server takes as a literal subject.
    fn is_valid(subject: &str) -> bool {
        subject.split('.').all(|token| {
            let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
            !token.is_empty() && visible && !token.contains(['*', '>'])
        })
    }

    #[test]
    fn topics_are_readable() {
        for (topic, expected) in [
            ("", "p.all"),
            ("chat/room-1", "p.t.chat/room-1"),
            ("market.eur.usd", "p.t.market.eur.usd"),
            (".a..b.", "p.t.%2Ea.%2Eb%2E"),
            ("..", "p.t.%2E%2E"),
            (".", "p.t.%2E"),
            ("*", "p.t.%2A"),
            ("a.>", "p.t.a.%3E"),
            ("50 %", "p.t.50%20%25"),
            ("ü", "p.t.%C3%BC"),
        ] {
            assert_eq!(subject("p", topic.as_bytes()), expected);
        }
    }

    /// All topics of up to four of the bytes that matter, and each byte alone and between others.
    #[test]
    fn no_two_topics_have_one_subject() {
        let mut seen = HashMap::new();
        let mut check = |bytes: &[u8]| {
            let subject = subject("p", bytes);
            assert!(is_valid(&subject), "{subject:?} of {bytes:?}");
            assert_eq!(topic(&subject), bytes);
            let other = seen.insert(subject, bytes.to_vec());
            assert!(other.is_none_or(|other| other == bytes));
        };
        let bytes = b".%2EA*> \0";
        for length in 1..=4 {
            for number in 0..bytes.len().pow(length) {
                let digit = |at| bytes[number / bytes.len().pow(at) % bytes.len()];
                check(&(0..length).map(digit).collect::<Vec<u8>>());
            }
        }
        for byte in 0..=255 {
            check(&[byte]);
            check(&[b'x', byte, b'y']);
        }
        check(&(0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn long_ones_are_hashed_and_fit() {
        let hash = |topic: &[u8]| {
            let subject = subject("p", topic);
            assert!(subject.starts_with("p.h.") && subject.len() == 4 + 64, "{subject}");
            subject
        };
        assert_eq!(subject("p", &[b'a'; LONGEST - 4]).len(), LONGEST);
        let (one, other) = (hash(&[b'a'; LONGEST - 3]), hash(&[b'a'; LONGEST - 2]));
        assert_ne!(one, other);
        hash(&[0; 65_535]);
        // FIPS 180-4: of what is known to have it.
        assert_eq!(
            hashed("p", b"abc"),
            "p.h.ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn prefixes() {
        for good in ["ringws", "a.b.c", "a-b_c"] {
            assert!(is_prefix(good), "{good}");
        }
        let long = "x".repeat(PREFIX_MAX + 1);
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a*", ">", "$SYS", "_INBOX", "%", &long] {
            assert!(!is_prefix(bad), "{bad}");
        }
    }
}
