//! What is said of a row that was played.

use super::row::{Expect, Row, Severity};
use super::talk::{Peer, Talk};
use super::wire::End;
use crate::words::close_code;
use ringws_kit::TEXT;
use serde::Serialize;
use std::fmt::Write as _;

/// What came of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As the clause has it.
    Passed,
    /// Not as a SHOULD has it.
    Should,
    /// Against a MUST, or not survived.
    Failed,
    /// It says nothing of this server: why is in `got`.
    Skipped,
    /// It could not be played: the server did not let us in.
    Trouble,
}

/// A verdict with its reason; none where nothing is to be said.
pub(crate) type Judgement = (Verdict, String);

const PASSED: Judgement = (Verdict::Passed, String::new());

/// So many bytes every server should take; a limit above is its own affair (RFC 6455 §10.4).
const SMALL: usize = 1 << 10;

/// Judges a conversation that was settled.
pub(super) fn judge(row: &Row, talk: &Talk<'_>, echo: bool) -> Judgement {
    if let Some(fault) = &talk.heard.fault {
        return (Verdict::Failed, format!("the server itself has sent {fault}"));
    }
    let judged = row.expect.iter().map(|expect| one(row, *expect, talk, echo));
    let (mut verdict, why) = judged.min_by_key(|(verdict, _)| *verdict).unwrap_or(PASSED);
    if verdict == Verdict::Failed && row.severity == Severity::Should {
        verdict = Verdict::Should;
    }
    match too_big(row, talk, echo) {
        Some(size) if verdict != Verdict::Passed => {
            (Verdict::Skipped, format!("the server's limit is below {size} bytes"))
        }
        _ => (verdict, why),
    }
}

/// The size of the message that the server was free to refuse with 1009 (§7.4.1), and has.
fn too_big(row: &Row, talk: &Talk<'_>, echo: bool) -> Option<usize> {
    let heard = &talk.heard;
    let refused = row.expect.contains(&Expect::Open) && heard.code() == Some(1009);
    if !refused || heard.bad_answer().is_some() {
        return None;
    }
    let left = match echo {
        true => row.echoes.strip_prefix(heard.messages.as_slice())?,
        false => &row.echoes,
    };
    left.iter().map(|(_, payload)| payload.len()).max().filter(|size| *size > SMALL)
}

fn one(row: &Row, expect: Expect, talk: &Talk<'_>, echo: bool) -> Judgement {
    match expect {
        Expect::Refused => refused(row, talk),
        Expect::Accepted => accepted(row, talk),
        Expect::Open => open(row, talk, echo),
        Expect::Fails => fails(row, talk, echo),
        Expect::Close => closes(row, talk, echo),
        // Judged when this connection has gone.
        Expect::Survives => PASSED,
    }
}

fn failed(why: impl Into<String>) -> Judgement {
    (Verdict::Failed, why.into())
}

fn should(why: impl Into<String>) -> Judgement {
    (Verdict::Should, why.into())
}

fn refused(row: &Row, talk: &Talk<'_>) -> Judgement {
    match talk.heard.status() {
        Some(101) => failed("the request was accepted"),
        Some(status) if row.status.is_empty() || row.status.contains(&status) => parts(row, talk),
        Some(status) => should(format!("refused, but with status {status}")),
        None if talk.end().is_some() => should("refused, but without an answer"),
        None => failed("neither answered nor ended"),
    }
}

fn accepted(row: &Row, talk: &Talk<'_>) -> Judgement {
    match talk.heard.status() {
        Some(101) => match talk.heard.bad_answer() {
            None => parts(row, talk),
            Some(bad) => failed(bad),
        },
        Some(status) => failed(format!("refused with status {status}")),
        None => failed("not answered"),
    }
}

/// What the head of the answer must and must not have in it.
fn parts(row: &Row, talk: &Talk<'_>) -> Judgement {
    let head = talk.heard.head.as_deref().unwrap_or_default().to_ascii_lowercase();
    let has = |part: &String| head.contains(&part.to_ascii_lowercase());
    match (&row.contains, &row.lacks) {
        (Some(part), _) if !has(part) => failed(format!("the answer is without \"{part}\"")),
        (_, Some(part)) if has(part) => failed(format!("the answer has \"{part}\"")),
        _ => PASSED,
    }
}

fn open(row: &Row, talk: &Talk<'_>, echo: bool) -> Judgement {
    let accepted = accepted(row, talk);
    if accepted != PASSED {
        return accepted;
    }
    let heard = &talk.heard;
    if heard.close.is_some() || talk.end().is_some() {
        return failed("the server has ended the connection");
    }
    if !talk.is_alive() {
        return failed("a Ping behind it is not answered: the connection is not served on");
    }
    if echo && heard.messages != row.echoes {
        return failed("what came back is not what was sent");
    }
    let mut pongs = heard.pongs.iter();
    match row.pongs.iter().all(|wanted| pongs.any(|came| came == wanted)) {
        true => PASSED,
        false => failed("a Pong with the payload of the Ping is missing"),
    }
}

fn fails(row: &Row, talk: &Talk<'_>, echo: bool) -> Judgement {
    if echo && !row.echoes.starts_with(&talk.heard.messages) {
        return failed("the server has taken the message and answered it");
    }
    match (talk.heard.code(), talk.end()) {
        (Some(code), _) if row.codes.is_empty() || row.codes.contains(&code) => PASSED,
        (Some(code), _) => should(format!("failed, but with {}", close_code(code))),
        (None, Some(_)) if row.silent => PASSED,
        (None, Some(_)) => should("failed, but without a Close frame that says why (§7.1.7)"),
        (None, None) => failed("the connection is still open"),
    }
}

fn closes(row: &Row, talk: &Talk<'_>, echo: bool) -> Judgement {
    // An application that had not answered by then need not any more (§5.5.1).
    if echo && !row.echoes.starts_with(&talk.heard.messages) {
        return failed("what came back is not what was sent before the Close");
    }
    match (talk.heard.code(), talk.end()) {
        (None, Some(_)) => failed("ended without a Close frame in answer (§5.5.1)"),
        (None, None) => failed("the Close was not answered"),
        (Some(_), None) => failed("TCP was not ended behind both Close frames (§7.1.1)"),
        (Some(code), _) if row.codes.is_empty() || row.codes.contains(&code) => PASSED,
        (Some(code), _) => should(format!("answered with {}", close_code(code))),
    }
}

/// Somebody else must be served.
pub(super) fn survives(peer: &Peer) -> Judgement {
    let mut other = match Talk::open(peer) {
        Ok(talk) => talk,
        Err(error) => return failed(format!("afterwards nobody can connect: {error}")),
    };
    if !other.greet(None) {
        return failed("afterwards a good request is not accepted");
    }
    other.send(&ringws_kit::frame(ringws_kit::PING, super::talk::ALIVE));
    let alive = other.wait(Talk::is_alive);
    other.leave(super::row::Then::Read);
    match alive {
        true => PASSED,
        false => failed("afterwards another connection is not served"),
    }
}

/// What should have come of a row, in words.
pub(crate) fn expected(row: &Row) -> String {
    let codes: Vec<_> = row.codes.iter().map(u16::to_string).collect();
    let status: Vec<_> = row.status.iter().map(u16::to_string).collect();
    let or = |list: &[String], before: &str| match list {
        [] => String::new(),
        list => format!("{before}{}", list.join(" or ")),
    };
    let one = |expect: &Expect| match expect {
        Expect::Open if row.echoes.is_empty() => "the connection goes on".into(),
        Expect::Open => format!("{} back, and the connection goes on", count(row.echoes.len())),
        Expect::Fails => format!("the connection fails{}", or(&codes, ", with Close ")),
        Expect::Close => format!("Close{}, and the end of TCP", or(&codes, " ")),
        Expect::Accepted => "101".into(),
        Expect::Refused => format!("the request is refused{}", or(&status, ", with ")),
        Expect::Survives => "others are served afterwards".into(),
    };
    let mut text = row.expect.iter().map(one).collect::<Vec<String>>().join("; or ");
    if let Some(part) = &row.contains {
        let _ = write!(text, "; with \"{part}\"");
    }
    if let Some(part) = &row.lacks {
        let _ = write!(text, "; without \"{part}\"");
    }
    text
}

fn count(messages: usize) -> String {
    match messages {
        1 => "the message".into(),
        many => format!("{many} messages"),
    }
}

/// What came, in words.
pub(super) fn got(talk: &Talk<'_>) -> String {
    let heard = &talk.heard;
    let mut parts = Vec::new();
    match heard.status() {
        Some(101) => {}
        Some(status) => parts.push(format!("HTTP {status}")),
        None if talk.came().is_empty() => parts.push("no answer".into()),
        None => parts.push(format!("{} bytes that are no answer", talk.came().len())),
    }
    if let [(kind, first), rest @ ..] = heard.messages.as_slice() {
        let kind = if *kind == TEXT { "text" } else { "binary" };
        let shown = &first[..first.len().min(32)];
        let dots = if first.len() > 32 { "..." } else { "" };
        let len = first.len();
        parts.push(format!("{kind} of {len} bytes \"{}{dots}\"", shown.escape_ascii()));
        if !rest.is_empty() {
            parts.push(format!("{} more", count(rest.len())));
        }
    }
    if !heard.pongs.is_empty() {
        parts.push(format!("{} Pong", heard.pongs.len()));
    }
    if let Some(close) = &heard.close {
        let mut text = close_code(heard.code().unwrap_or(1005));
        let reason = close.get(2..).unwrap_or_default();
        if !reason.is_empty() {
            let _ = write!(text, " \"{}\"", reason.escape_ascii());
        }
        parts.push(text);
    }
    parts.push(match talk.end() {
        Some(End::Eof) => "the end".into(),
        Some(End::Reset) => "a reset".into(),
        Some(End::Tls(why)) => format!("broken TLS ({why})"),
        None if heard.close.is_some() => return parts.join(", "),
        None => "open".into(),
    });
    parts.join(", ")
}
