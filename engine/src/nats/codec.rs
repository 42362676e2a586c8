//! The broker's lines: what it sends to a client that has asked for no headers.

/// The longest line: a greeting names every server of its cluster.
const LINE_MAX: usize = 1 << 20;
/// nats-server refuses to be told of larger messages.
pub(super) const PAYLOAD_MAX: usize = 64 << 20;

/// One thing that it has said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    /// JSON.
    Info(&'a [u8]),
    /// For the subscription `sid`.
    Message {
        sid: u64,
        payload: &'a [u8],
    },
    Ping,
    Pong,
    Ok,
    /// What is wrong, in its words.
    Error(&'a str),
}

/// What cannot be of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("a line of more than {LINE_MAX} bytes")]
    Line,
    #[error("a line that no broker says")]
    Unknown,
    #[error("a message of more than {PAYLOAD_MAX} bytes")]
    Payload,
    #[error("a message without its end")]
    End,
}

/// The first thing in `input`, and how many bytes it takes; `None`: it is not all there yet.
///
/// # Errors
/// No broker would say that: nothing after it can be understood.
pub(super) fn parse(input: &[u8]) -> Result<Option<(Said<'_>, usize)>, Broken> {
    let window = input.get(..LINE_MAX).unwrap_or(input);
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if window.len() == LINE_MAX { Err(Broken::Line) } else { Ok(None) };
    };
    let (line, behind) = input.split_at(end + 1);
    let line = line.trim_ascii_end();
    let (verb, rest) = match line.iter().position(|&byte| byte == b' ' || byte == b'\t') {
        Some(at) => line.split_at(at),
        None => (line, &[][..]),
    };
    let rest = rest.trim_ascii();
    let said = match verb {
        b"MSG" => return message(rest, behind, end + 1),
        b"PING" => Said::Ping,
        b"PONG" => Said::Pong,
        b"+OK" => Said::Ok,
        b"INFO" => Said::Info(rest),
        b"-ERR" => Said::Error(unquoted(rest)),
        _ => return Err(Broken::Unknown),
    };
    Ok(Some((said, end + 1)))
}

/// `MSG subject sid [reply] bytes`, and behind the line the bytes and one more end of line.
fn message<'a>(
    rest: &'a [u8],
    behind: &'a [u8],
    line: usize,
) -> Result<Option<(Said<'a>, usize)>, Broken> {
    let mut words = rest.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let (sid, size) = match (words.next(), words.next(), words.next(), words.next(), words.next()) {
        (Some(_), Some(sid), Some(size), None, None)
        | (Some(_), Some(sid), Some(_), Some(size), None) => (number(sid), number(size)),
        _ => return Err(Broken::Unknown),
    };
    let (sid, size) = sid.zip(size).ok_or(Broken::Unknown)?;
    let size = usize::try_from(size).ok().filter(|&size| size <= PAYLOAD_MAX);
    let size = size.ok_or(Broken::Payload)?;
    let Some(ended) = behind.get(..size + 2) else { return Ok(None) };
    match ended.split_last_chunk::<2>() {
        Some((payload, b"\r\n")) => Ok(Some((Said::Message { sid, payload }, line + size + 2))),
        _ => Err(Broken::End),
    }
}

fn number(word: &[u8]) -> Option<u64> {
    str::from_utf8(word).ok().filter(|word| !word.starts_with('+'))?.parse().ok()
}

fn unquoted(text: &[u8]) -> &str {
    let text = str::from_utf8(text).unwrap_or("(not UTF-8)");
    text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(mut input: &[u8]) -> Result<Vec<String>, Broken> {
        let mut found = Vec::new();
        while let Some((said, used)) = parse(input)? {
            found.push(format!("{said:?}"));
            input = &input[used..];
        }
        Ok(found)
    }

    const SAID: &[u8] = b"INFO {\"a\":1} \r\n+OK\r\nPING\r\nMSG a.b 7 3\r\na\r\n\r\nPONG\r\n\
        MSG a 18446744073709551615 reply 0\r\n\r\n-ERR 'No way'\r\nMSG\ta  1   2\r\n\r\n\r\n";

    #[test]
    fn all_that_is_said() {
        let said = [
            "Info([123, 34, 97, 34, 58, 49, 125])",
            "Ok",
            "Ping",
            "Message { sid: 7, payload: [97, 13, 10] }",
            "Pong",
            "Message { sid: 18446744073709551615, payload: [] }",
            "Error(\"No way\")",
            "Message { sid: 1, payload: [13, 10] }",
        ];
        assert_eq!(all(SAID).unwrap(), said);
    }

    /// However it is cut: what is not all there is waited for.
    #[test]
    fn in_any_pieces() {
        for cut in 0..SAID.len() {
            let mut input = Vec::new();
            let mut count = 0;
            for piece in [&SAID[..cut], &SAID[cut..]] {
                input.extend_from_slice(piece);
                while let Some((_, used)) = parse(&input).unwrap() {
                    input.drain(..used);
                    count += 1;
                }
            }
            assert_eq!((count, input.len()), (8, 0), "cut at {cut}");
        }
    }

    #[test]
    fn what_no_broker_says() {
        for (input, broken) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Broken::Unknown),
            (b"\r\n", Broken::Unknown),
            (b"MSG a 1\r\n", Broken::Unknown),
            (b"MSG a 1 b c 2\r\n", Broken::Unknown),
            (b"MSG a x 2\r\n", Broken::Unknown),
            (b"MSG a 1 +2\r\n", Broken::Unknown),
            (b"MSG a 1 -2\r\n", Broken::Unknown),
            (b"MSG a 1 67108865\r\n", Broken::Payload),
            (b"MSG a 1 99999999999999999999\r\n", Broken::Unknown),
            (b"MSG a 1 1\r\nabc", Broken::End),
        ] {
            assert_eq!(parse(input), Err(broken), "{:?}", String::from_utf8_lossy(input));
        }
        assert_eq!(parse(&vec![b'a'; LINE_MAX]), Err(Broken::Line));
        assert_eq!(parse(&vec![b'a'; LINE_MAX - 1]), Ok(None));
        assert_eq!(parse(b"MSG a 1 67108864\r\n"), Ok(None));
    }
}
