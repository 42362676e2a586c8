//! Suites: files of rows, and which servers they are meant for.

use super::{Deflate, Kind, Scenario};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a server is loaded in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every connection keeps `depth` messages in flight: how much, at what cost.
    #[default]
    Closed,
    /// The same, of which the latency is what is asked for: one connection, one message.
    Latency,
    /// Messages leave when they are due, whether echoes have come or not: how long they take.
    Open,
    /// Connections opened, used once and closed, one after the other.
    Churn,
    /// Connections that do nothing: what they cost in memory.
    Idle,
    /// One message to all connections.
    Broadcast,
}

/// Provided buffers of the ceilings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geometry {
    /// How many: a power of two.
    pub buffers: u16,
    /// Bytes of each.
    pub size: u32,
}

impl Geometry {
    /// As the ceilings' arguments.
    pub fn arguments(self) -> [String; 4] {
        let [buffers, size] = [u32::from(self.buffers), self.size].map(|n| n.to_string());
        ["--buffers".into(), buffers, "--buffer-size".into(), size]
    }
}

impl std::fmt::Display for Geometry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} x {} B", self.buffers, self.size)
    }
}

/// Messages per second of an open loop, over all connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rate {
    /// So many.
    Absolute(f64),
    /// A share of what a server reached in a closed row: the same rate for all servers.
    Share {
        /// The share, above 0.
        share: f64,
        /// Name of the server.
        of: String,
        /// Name of the closed row.
        row: String,
    },
}

/// One row of a comparison.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// As printed.
    pub name: String,
    /// How the servers are loaded.
    #[serde(default)]
    pub mode: Mode,
    /// Connections.
    pub connections: usize,
    /// Payload bytes of a message.
    pub size: usize,
    /// Messages in flight on each connection, in a closed loop.
    #[serde(default = "one")]
    pub depth: usize,
    /// What a message is, for the servers that speak WebSocket.
    #[serde(default)]
    pub kind: Kind,
    /// Whether messages are compressed: "off", "shared", "takeover".
    #[serde(default)]
    pub deflate: Deflate,
    /// Whether connections are encrypted.
    #[serde(default)]
    pub tls: bool,
    /// Rate of an open loop.
    pub rate: Option<Rate>,
    /// Buffers at which the ceilings are measured; the one at which a ceiling costs least is the
    /// ceiling of the row. None: at what they default to.
    #[serde(default)]
    pub ceilings: Vec<Geometry>,
    /// Only these servers, of those that take part; empty: all.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Instead of the suite's `seconds`.
    pub seconds: Option<f64>,
    /// Instead of the suite's `pairs`.
    pub pairs: Option<usize>,
}

fn one() -> usize {
    1
}

impl Row {
    /// The scenario for a server; `raw` for one that only returns bytes.
    pub fn scenario(&self, raw: bool) -> Scenario {
        Scenario {
            connections: self.connections,
            size: self.size,
            depth: self.depth,
            kind: if raw { Kind::Raw } else { self.kind },
            deflate: self.deflate,
            tls: self.tls,
        }
    }

    /// Whether messages go over TCP as they are.
    pub fn is_plain(&self) -> bool {
        self.deflate == Deflate::Off && !self.tls
    }

    /// Whether messages are compressed or encrypted, in a few words.
    pub fn wire(&self) -> Option<String> {
        let deflate = match self.deflate {
            Deflate::Off => None,
            Deflate::Shared => Some("permessage-deflate without context takeover"),
            Deflate::Takeover => Some("permessage-deflate with context takeover"),
        };
        let words: Vec<_> = deflate.into_iter().chain(self.tls.then_some("TLS 1.3")).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// Whether a server takes part: a server without WebSocket has no part in what is about
    /// handshakes, and the ceilings, whose tables are there from the start, none in memory.
    pub fn admits(&self, server: &str, raw: bool) -> bool {
        let handshakes = matches!(self.mode, Mode::Churn | Mode::Idle | Mode::Broadcast);
        let ceiling = server.starts_with("ceiling-");
        let listed = self.servers.is_empty() || self.servers.iter().any(|name| name == server);
        let memory_or_fanout = matches!(self.mode, Mode::Idle | Mode::Broadcast);
        listed && !(raw && handshakes) && !(ceiling && memory_or_fanout)
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Error::Usage(format!("row `{}`: {what}", self.name)));
        self.scenario(false)
            .check()
            .map_err(|error| Error::Usage(format!("row `{}`: {error}", self.name)))?;
        let loops = [Mode::Closed, Mode::Latency, Mode::Idle];
        if !self.is_plain() && !loops.contains(&self.mode) {
            return wrong("deflate and tls belong to closed, latency and idle");
        }
        if self.rate.is_some() != (self.mode == Mode::Open) {
            return wrong("`rate` belongs to mode = \"open\", and must be there");
        }
        let rate = match self.rate {
            Some(Rate::Absolute(rate)) => rate,
            Some(Rate::Share { share, .. }) => share,
            None => 1.0,
        };
        if !(rate.is_finite() && rate > 0.0) {
            return wrong("rate: above 0");
        }
        if self.pairs == Some(0) || self.seconds.is_some_and(|it| !(0.0..=600.0).contains(&it)) {
            return wrong("pairs: at least 1; seconds: 0 to 600");
        }
        if self.ceilings.iter().any(|it| !it.buffers.is_power_of_two() || it.size == 0) {
            return wrong("ceilings: buffers are a power of two, size is at least 1");
        }
        Ok(())
    }
}

/// A file of rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Seconds of load before the clock starts.
    pub warmup: f64,
    /// Seconds that are measured.
    pub seconds: f64,
    /// How often each server is measured, in turn.
    pub pairs: usize,
    /// The servers it is meant for, by name.
    #[serde(default)]
    pub servers: Vec<String>,
    /// What is measured.
    pub row: Vec<Row>,
}

impl Suite {
    /// Reads and checks a TOML file.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(Error::io(format!("reading {name}")))?;
        Self::parse(&text).map_err(|error| Error::Usage(format!("{name}: {error}")))
    }

    /// The same from memory.
    pub fn parse(text: &str) -> Result<Self> {
        let suite: Self = toml::from_str(text).map_err(|error| Error::Usage(error.to_string()))?;
        let seconds = 0.0..=600.0;
        if !seconds.contains(&suite.warmup) || !seconds.contains(&suite.seconds) {
            return Err(Error::Usage("warmup and seconds: 0 to 600".into()));
        }
        if suite.pairs == 0 {
            return Err(Error::Usage("pairs: at least 1".into()));
        }
        for (index, row) in suite.row.iter().enumerate() {
            row.check()?;
            let before = suite.row.get(..index).unwrap_or_default();
            if before.iter().any(|other| other.name == row.name) {
                return Err(Error::Usage(format!("two rows are named `{}`", row.name)));
            }
            if let Some(Rate::Share { row: of, .. }) = &row.rate
                && !before.iter().any(|other| other.name == *of && other.mode == Mode::Closed)
            {
                let name = &row.name;
                let what = format!("row `{name}`: no closed row `{of}` comes before it");
                return Err(Error::Usage(what));
            }
        }
        Ok(suite)
    }

    /// Leaves only the rows with one of these names, and those their rates are taken from. What is
    /// no row's name stands for all whose names contain it.
    pub fn retain(&mut self, parts: &[String]) {
        let exact = |part: &str| self.row.iter().any(|row| row.name == part);
        let means = |part: &String, row: &Row| {
            if exact(part) { row.name == *part } else { row.name.contains(part.as_str()) }
        };
        let needed: Vec<String> = self
            .row
            .iter()
            .filter(|row| parts.iter().any(|part| means(part, row)))
            .flat_map(|row| match &row.rate {
                Some(Rate::Share { row: of, .. }) => vec![row.name.clone(), of.clone()],
                _ => vec![row.name.clone()],
            })
            .collect();
        self.row.retain(|row| needed.contains(&row.name));
    }

    /// Measured seconds of a row.
    pub fn seconds_of(&self, row: &Row) -> f64 {
        row.seconds.unwrap_or(self.seconds)
    }

    /// Rounds of a row.
    pub fn pairs_of(&self, row: &Row) -> usize {
        row.pairs.unwrap_or(self.pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed() -> Vec<(String, Suite)> {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let files = std::fs::read_dir(directory).expect("readable").flatten();
        let files = files.filter(|file| file.path().extension().is_some_and(|it| it == "toml"));
        files
            .map(|file| {
                let name = file.file_name().to_string_lossy().into_owned();
                (name, Suite::read(&file.path()).expect("legal"))
            })
            .collect()
    }

    #[test]
    fn the_committed_scenarios_are_legal() {
        let suites = committed();
        assert!(suites.len() >= 3, "first, quick, full: {}", suites.len());
        for (name, suite) in suites {
            assert!(!suite.row.is_empty(), "{name}");
            assert!(suite.pairs >= 3, "{name}: fewer rounds have no middle");
        }
    }

    #[test]
    fn a_file_with_a_mistake_is_refused() {
        let head = "warmup = 0\nseconds = 1\npairs = 1\n";
        let row = "[[row]]\nname = \"a\"\nconnections = 1\nsize = 1\n";
        let share = "rate = { share = 0.5, of = \"x\", row = \"a\" }\n";
        let parse = |rest: &str| Suite::parse(&format!("{head}{rest}"));
        parse(row).expect("legal");
        let open = row.replace("\"a\"", "\"b\"") + "mode = \"open\"\n";
        parse(&format!("{row}{open}rate = 5000\n")).expect("legal");
        parse(&format!("{row}{open}{share}")).expect("legal");
        let both = parse(&format!("{row}deflate = \"takeover\"\ntls = true\n")).expect("legal");
        let words = "permessage-deflate with context takeover, TLS 1.3";
        assert_eq!(both.row[0].wire().as_deref(), Some(words));
        assert!(both.row[0].scenario(false).tls && !both.row[0].is_plain());
        for wrong in [
            "row = []\nrows = 1".to_owned(),
            format!("{row}{row}"),
            format!("{row}rate = 5000\n"),
            open.clone(),
            format!("{open}{share}"),
            format!("{row}{open}rate = -1\n"),
            format!("{row}pairs = 0\n"),
            format!("{row}deflate = \"on\"\n"),
            format!("{row}deflate = \"shared\"\nkind = \"raw\"\n"),
            format!("{row}mode = \"churn\"\ntls = true\n"),
            format!("{row}ceilings = [{{ buffers = 3, size = 4096 }}]\n"),
        ] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_row_keeps_the_one_its_rate_is_taken_from() {
        let mut suite = Suite::parse(
            "warmup = 0\nseconds = 1\npairs = 1\n\
             [[row]]\nname = \"top\"\nconnections = 1\nsize = 1\n\
             [[row]]\nname = \"other\"\nconnections = 1\nsize = 1\n\
             [[row]]\nname = \"half\"\nconnections = 1\nsize = 1\nmode = \"open\"\n\
             rate = { share = 0.5, of = \"x\", row = \"top\" }\n",
        )
        .expect("legal");
        suite.retain(&["half".into()]);
        let names = |suite: &Suite| {
            suite.row.iter().map(|row| row.name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&suite), "top half");
        let rows = ["1 x 1", "1 x 16", "2 x 1", "4 x 1"];
        let rows =
            rows.map(|row| format!("[[row]]\nname = \"{row}\"\nconnections = 1\nsize = 1\n"));
        let head = "warmup = 0\nseconds = 1\npairs = 1\n".to_owned();
        let mut suite = Suite::parse(&(head + &rows.concat())).expect("legal");
        suite.retain(&["1 x 1".into(), "4".into()]);
        assert_eq!(names(&suite), "1 x 1 4 x 1");
    }

    #[test]
    fn who_takes_part() {
        let mut row = Suite::parse(
            "warmup = 0\nseconds = 1\npairs = 1\n[[row]]\nname = \"a\"\nconnections = 1\nsize = 1",
        )
        .expect("legal")
        .row
        .remove(0);
        assert!(row.admits("ceiling-tcp", true) && row.admits("peer", false));
        row.mode = Mode::Churn;
        assert!(!row.admits("ceiling-tcp", true) && row.admits("ceiling-frames", false));
        row.mode = Mode::Idle;
        assert!(!row.admits("ceiling-frames", false) && row.admits("peer", false));
        row.servers = vec!["other".into()];
        assert!(!row.admits("peer", false));
    }
}
