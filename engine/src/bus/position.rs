//! How much of a topic somebody has heard, as a text that he can keep and bring up to date.
//!
//! ```text
//! node.epoch.birth-node.epoch.seq_node.epoch.seq_node.epoch.seq
//! ```
//!
//! In front stands the log that it was current in, or nothing, and behind which message engines had
//! fallen silent by then: who brings it up to date leaves that as it is. Then, of each node that
//! was heard, the last message. Numbers are hexadecimal. It comes back from peers: any bytes may.

use super::gap::Origin;
use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result as Written};

/// Nodes of one position.
const NODES_MAX: usize = 1_024;

/// Whose history of a topic, and which of his it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogName {
    /// The engine.
    pub origin: Origin,
    /// Its histories, of all topics, are numbered.
    pub birth: u64,
}

/// How much of a topic somebody has heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// A log that had heard no more than that when the position was made, or less.
    pub log: Option<LogName>,
    /// Behind which message lives of engines had fallen silent: what they have published since may
    /// be lost, which everybody was told before.
    silent: BTreeMap<Origin, u64>,
    /// By node: the life that was heard last, and its last message; what was before it was heard.
    heard: BTreeMap<u64, (u64, u64)>,
}

/// Bytes that are no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no position in a topic")]
pub struct Unreadable;

impl Position {
    /// Nobody was heard, in that log.
    pub fn new(log: LogName) -> Self {
        Self { log: Some(log), ..Self::default() }
    }

    /// Message `seq` was heard, and all that came before it.
    pub fn note(&mut self, from: Origin, seq: u64) {
        let last = self.heard.entry(from.node).or_default();
        *last = (*last).max((from.epoch, seq));
    }

    /// An engine had fallen silent behind that message.
    pub fn note_silence(&mut self, of: Origin, last: u64) {
        self.silent.insert(of, last);
    }

    /// Whether an engine of which one has heard up to `last` had fallen silent by then, and nobody
    /// has heard it since. Nothing of it is owed until somebody does.
    pub fn was_silent(&self, origin: Origin, last: u64) -> bool {
        let heard = self.of(origin.node).filter(|of| of.0 == origin.epoch).map(|of| of.1);
        self.silent.get(&origin).is_some_and(|&behind| last.max(heard.unwrap_or(0)) <= behind)
    }

    /// The life of a node that was heard last, and its last message.
    pub fn of(&self, node: u64) -> Option<(u64, u64)> {
        self.heard.get(&node).copied()
    }

    /// Whether a message was heard.
    pub fn has(&self, from: Origin, seq: u64) -> bool {
        self.of(from.node).is_some_and(|last| (from.epoch, seq) <= last)
    }

    /// Each node that was heard, with its last message.
    pub fn iter(&self) -> impl Iterator<Item = (Origin, u64)> {
        self.heard.iter().map(|(&node, &(epoch, seq))| (Origin { node, epoch }, seq))
    }

    /// From what was written.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut parts = bytes.split(|&byte| byte == b'_');
        let mut front = parts.next().ok_or(Unreadable)?.split(|&byte| byte == b'-');
        let log = match front.next().ok_or(Unreadable)? {
            b"" => None,
            part => {
                let (origin, birth) = three(part)?;
                Some(LogName { origin, birth })
            }
        };
        let mut position = Self { log, ..Self::default() };
        for part in front {
            let (origin, last) = three(part)?;
            position.note_silence(origin, last);
            if position.silent.len() > NODES_MAX {
                return Err(Unreadable);
            }
        }
        for part in parts {
            let (origin, seq) = three(part)?;
            position.note(origin, seq);
            if position.heard.len() > NODES_MAX {
                return Err(Unreadable);
            }
        }
        Ok(position)
    }
}

fn three(part: &[u8]) -> Result<(Origin, u64), Unreadable> {
    let mut numbers = part.split(|&byte| byte == b'.').map(hexadecimal);
    let mut next = || numbers.next().flatten().ok_or(Unreadable);
    let (node, epoch, number) = (next()?, next()?, next()?);
    match numbers.next() {
        None => Ok((Origin { node, epoch }, number)),
        Some(_) => Err(Unreadable),
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let value = |digit: &u8| char::from(*digit).to_digit(16).map(u64::from);
    if !(1..=16).contains(&digits.len()) {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | value(digit)?))
}

/// A message's place among all, as it stands in positions and in front of messages.
pub(crate) fn stamp(origin: Origin, seq: u64) -> String {
    format!("{:x}.{:x}.{seq:x}", origin.node, origin.epoch)
}

impl Display for Position {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        if let Some(LogName { origin, birth }) = self.log {
            f.write_str(&stamp(origin, birth))?;
        }
        for (&origin, &last) in &self.silent {
            write!(f, "-{}", stamp(origin, last))?;
        }
        self.iter().try_for_each(|(origin, seq)| write!(f, "_{}", stamp(origin, seq)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(node: u64, epoch: u64) -> Origin {
        Origin { node, epoch }
    }

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let mut position = Position::default();
        assert_eq!(Position::read(position.to_string().as_bytes()), Ok(position.clone()));
        position.note(of(u64::MAX, 1), u64::MAX);
        position.note(of(0x1f, 2), 0xa);
        assert_eq!(position.to_string(), "_1f.2.a_ffffffffffffffff.1.ffffffffffffffff");
        assert_eq!(Position::read(position.to_string().as_bytes()), Ok(position.clone()));
        position.log = Some(LogName { origin: of(3, 4), birth: 5 });
        assert!(position.to_string().starts_with("3.4.5_1f.2.a_"));
        position.note_silence(of(0x1f, 2), 0xa);
        position.note_silence(of(0xb, 7), 1);
        assert!(position.to_string().starts_with("3.4.5-b.7.1-1f.2.a_1f.2.a_"));
        assert_eq!(Position::read(position.to_string().as_bytes()), Ok(position));
    }

    #[test]
    fn silence_is_over_when_somebody_is_heard() {
        let mut position = Position::default();
        position.note_silence(of(1, 2), 5);
        assert!(position.was_silent(of(1, 2), 5) && position.was_silent(of(1, 2), 0));
        assert!(!position.was_silent(of(1, 2), 6), "elsewhere");
        assert!(!position.was_silent(of(1, 1), 5) && !position.was_silent(of(2, 2), 5));
        position.note(of(1, 2), 5);
        assert!(position.was_silent(of(1, 2), 5));
        position.note(of(1, 2), 6);
        assert!(!position.was_silent(of(1, 2), 5), "here");
        assert_eq!(Position::read(position.to_string().as_bytes()), Ok(position));
    }

    #[test]
    fn what_is_none_is_refused() {
        let junk = ["x", "1", "1.2", "1.2.3.4", "_", "1.2.3_", "_1.2.", "_1..3", "_1.2.g", " "];
        for bytes in junk
            .into_iter()
            .chain(["_1.2.11111111111111111", "1.2.3__1.2.3", "_1.2.+3", "1.2.3-"])
            .chain(["1.2.3-1.2_", "1.2.3-1.2.3-", "1.2.3-1.2.-2", "1.2.3_1.2.3-4.5.6"])
        {
            assert_eq!(Position::read(bytes.as_bytes()), Err(Unreadable), "{bytes}");
        }
        let many: String = (0..NODES_MAX + 1).map(|node| format!("_{node:x}.1.1")).collect();
        assert_eq!(Position::read(many.as_bytes()), Err(Unreadable));
        let many: String = (0..NODES_MAX + 1).map(|node| format!("-{node:x}.1.1")).collect();
        assert_eq!(Position::read(many.as_bytes()), Err(Unreadable));
    }

    #[test]
    fn of_a_node_the_latest_life_counts() {
        let mut position = Position::default();
        position.note(of(1, 2), 5);
        position.note(of(1, 1), 9);
        position.note(of(1, 2), 4);
        assert_eq!(position.of(1), Some((2, 5)));
        assert!(position.has(of(1, 1), u64::MAX) && position.has(of(1, 2), 5));
        assert!(!position.has(of(1, 2), 6) && !position.has(of(1, 3), 1));
        assert!(!position.has(of(2, 1), 1), "nobody has heard of it");
    }
}
