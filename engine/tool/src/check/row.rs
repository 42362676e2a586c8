//! A row of the corpus: what is sent to a server, and what must come of it.

use super::notation::{self, NotationError, Said, Step};
use serde::{Deserialize, Serialize};

/// What is in a file of the corpus.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    row: Vec<Written>,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// A MUST of the clause.
    Must,
    /// A SHOULD of the clause: there may be good reasons to do otherwise.
    Should,
    /// No sentence of an RFC, but what an open port has to survive.
    Robust,
}

/// What must come of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expect {
    /// The connection is served on: a Ping that follows is answered.
    Open,
    /// The server has failed the connection (RFC 6455 §7.1.7): a Close frame, or the end.
    Fails,
    /// The closing handshake, and the end of TCP by the server.
    Close,
    /// The request is answered with 101.
    Accepted,
    /// The request is answered with anything but 101.
    Refused,
    /// Another connection is served afterwards, whatever comes of this one.
    Survives,
}

/// How the bytes are cut into writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cut {
    /// The frames at once, behind the answer to the request.
    #[default]
    Whole,
    /// The frames in the same write as the request.
    Joined,
    /// Each byte in a write of its own.
    Bytes,
}

/// What is needed of a server for a row to say anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Need {
    /// It has agreed to permessage-deflate.
    Deflate,
    /// It sends back what it is sent.
    Echo,
}

/// What the client does when it has sent everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Then {
    /// It reads.
    #[default]
    Read,
    /// It ends its direction of TCP and reads.
    HalfClose,
    /// It drops TCP with a reset.
    Reset,
}

/// A number, or what stands for one until `each` is put in.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Is(u16),
    Named(String),
}

/// A row as it is written. `{}` in its texts is each of `each` in turn.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: String,
    clause: String,
    says: String,
    severity: Severity,
    #[serde(default)]
    each: Vec<String>,
    /// The head to the byte.
    request: Option<String>,
    /// The head by lines; `@good` and `@without A, B` stand for the fields that must be there.
    head: Option<Vec<String>>,
    /// A Sec-WebSocket-Extensions field for the good head.
    extensions: Option<String>,
    #[serde(default)]
    send: String,
    #[serde(default)]
    cut: Cut,
    /// Also byte by byte, as a row of its own.
    #[serde(default)]
    bytewise: bool,
    #[serde(default)]
    then: Then,
    expect: OneOrMore,
    #[serde(default)]
    codes: Vec<Number>,
    #[serde(default)]
    status: Vec<u16>,
    #[serde(default)]
    echoes: Vec<String>,
    #[serde(default)]
    pongs: Vec<String>,
    #[serde(default)]
    needs: Vec<Need>,
    /// The clause asks for no Close frame.
    #[serde(default)]
    silent: bool,
    contains: Option<String>,
    lacks: Option<String>,
    unless: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(Expect),
    More(Vec<Expect>),
}

/// A row that can be played.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) clause: String,
    pub(crate) says: String,
    pub(crate) severity: Severity,
    pub(crate) request: Request,
    pub(crate) steps: Vec<Step>,
    pub(crate) cut: Cut,
    pub(crate) then: Then,
    /// Any of them.
    pub(crate) expect: Vec<Expect>,
    /// What the server's Close should say; empty: anything that may be said.
    pub(crate) codes: Vec<u16>,
    /// What the answer to a refused request should be.
    pub(crate) status: Vec<u16>,
    /// Messages that come back, in order. Of a connection that fails, no others may.
    pub(crate) echoes: Vec<Said>,
    /// The payloads of Pongs that must come, in order; others may come between them.
    pub(crate) pongs: Vec<Vec<u8>>,
    pub(crate) needs: Vec<Need>,
    /// An end without a Close frame is as good as one with it: the clause asks for none.
    pub(crate) silent: bool,
    /// Parts of the answer's head that must be there, and must not.
    pub(crate) contains: Option<String>,
    pub(crate) lacks: Option<String>,
    /// With this in the answer's head the row says nothing.
    pub(crate) unless: Option<String>,
}

/// What is asked first.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// All of it.
    Bytes(String),
    Lines(Vec<String>),
    /// A good one, with this offer of extensions.
    Good(Option<String>),
}

/// What is wrong with a corpus.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CorpusError {
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    #[error("row {id}: {error}")]
    Notation { id: String, error: NotationError },
    #[error("row {id}: the code \"{code}\" is no number")]
    Code { id: String, code: String },
    #[error("row {0} is there twice")]
    Twice(String),
}

/// The rows of a file.
pub(crate) fn read(text: &str) -> Result<Vec<Row>, CorpusError> {
    let file: File = toml::from_str(text)?;
    let mut rows = Vec::new();
    for written in &file.row {
        let one = [String::new()];
        let each = if written.each.is_empty() { &one[..] } else { &written.each };
        for value in each {
            let row = written.row(value)?;
            if written.bytewise {
                let id = format!("{}/bytes", row.id);
                rows.push(Row { id, cut: Cut::Bytes, ..row.clone() });
            }
            rows.push(row);
        }
    }
    Ok(rows)
}

impl Written {
    fn row(&self, value: &str) -> Result<Row, CorpusError> {
        let put = |text: &str| text.replace("{}", value);
        let id = put(&self.id);
        let bad = |error| CorpusError::Notation { id: id.clone(), error };
        let code = |code: &Number| match code {
            Number::Is(code) => Ok(*code),
            Number::Named(name) => {
                put(name).parse().map_err(|_| CorpusError::Code { id: id.clone(), code: put(name) })
            }
        };
        let request = match (&self.request, &self.head) {
            (Some(bytes), _) => Request::Bytes(put(bytes)),
            (None, Some(lines)) => Request::Lines(lines.iter().map(|line| put(line)).collect()),
            (None, None) => Request::Good(self.extensions.as_deref().map(put)),
        };
        let echoes = self.echoes.iter().map(|text| notation::message(&put(text)));
        let pongs = self.pongs.iter().map(|text| notation::payload(&put(text)));
        let echoes: Vec<Said> = echoes.collect::<Result<_, _>>().map_err(bad)?;
        let expect = match &self.expect {
            OneOrMore::One(expect) => vec![*expect],
            OneOrMore::More(expect) => expect.clone(),
        };
        let mut needs = self.needs.clone();
        if !echoes.is_empty() && !expect.contains(&Expect::Fails) {
            needs.push(Need::Echo);
        }
        Ok(Row {
            clause: put(&self.clause),
            says: put(&self.says),
            severity: self.severity,
            request,
            steps: notation::steps(&put(&self.send)).map_err(bad)?,
            cut: self.cut,
            then: self.then,
            expect,
            codes: self.codes.iter().map(code).collect::<Result<_, _>>()?,
            status: self.status.clone(),
            echoes,
            pongs: pongs.collect::<Result<_, _>>().map_err(bad)?,
            needs,
            silent: self.silent,
            contains: self.contains.as_deref().map(put),
            lacks: self.lacks.as_deref().map(put),
            unless: self.unless.as_deref().map(put),
            id,
        })
    }
}
