//! What a line means.

use ringws_engine::proto::CloseCode;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(String),
    Close(u16, String),
    /// Words about what lines mean.
    Help,
}

pub(super) const HELP: &str = "\
a line is a text message; one that begins with / is a command, with // a message with one slash
  /ping [TEXT]           a Ping
  /close [CODE [REASON]] the closing handshake: 1000, or 3000 to 4999
  /binary HEX            bytes: /binary 00 ff 10
  /help                  this";

impl Said {
    pub(super) fn wants_answer(&self) -> bool {
        !matches!(self, Self::Help)
    }
}

/// Reads a line.
pub(super) fn read(line: &str, binary: bool) -> Result<Said, String> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let Some(command) = line.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
        let text = if line.starts_with("//") { &line[1..] } else { line };
        return Ok(match binary {
            true => Said::Binary(text.as_bytes().to_vec()),
            false => Said::Text(text.into()),
        });
    };
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    match name {
        "ping" if rest.len() > 125 => Err("a Ping has at most 125 bytes".into()),
        "ping" => Ok(Said::Ping(rest.into())),
        "close" => close(rest),
        "binary" => hex(rest).map(Said::Binary),
        "help" => Ok(Said::Help),
        _ => Err(format!("no command /{name}: /help tells which there are")),
    }
}

fn close(rest: &str) -> Result<Said, String> {
    if rest.is_empty() {
        return Ok(Said::Close(1000, String::new()));
    }
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let code: u16 = code.parse().map_err(|_| format!("no close code: {code}"))?;
    if !CloseCode(code).is_sendable() {
        return Err(format!("{code} must not be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999"));
    }
    match reason.len() {
        0..=123 => Ok(Said::Close(code, reason.into())),
        _ => Err("a reason has at most 123 bytes".into()),
    }
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.split_whitespace().collect();
    if digits.len() % 2 == 1 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(format!("no hex: {text}"));
    }
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap_or_default();
    Ok((0..digits.len()).step_by(2).map(byte).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        for (line, said) in [
            ("hello /x", Said::Text("hello /x".into())),
            ("//x", Said::Text("/x".into())),
            ("", Said::Text(String::new())),
            ("/ping", Said::Ping(String::new())),
            ("/ping a b", Said::Ping("a b".into())),
            ("/close", Said::Close(1000, String::new())),
            ("/close 4001 good bye", Said::Close(4001, "good bye".into())),
            ("/binary 00 fF1", Said::Help),
            ("/binary 00 fF", Said::Binary(vec![0, 255])),
        ] {
            match read(line, false) {
                Ok(read) => assert_eq!(read, said, "{line}"),
                Err(_) => assert_eq!(said, Said::Help, "{line}"),
            }
        }
        assert_eq!(read("x\r", true), Ok(Said::Binary(b"x".to_vec())));
        for bad in ["/close 1005", "/close x", "/nothing", &format!("/ping {}", "x".repeat(126))] {
            assert!(read(bad, false).is_err(), "{bad}");
        }
    }
}
