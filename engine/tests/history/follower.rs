//! A client that keeps its position, as a page in a browser would.

use super::room::{Room, asks, next};
use ringws_engine::reactor::Conn;
use ringws_kit::{Client, TEXT};
use std::collections::BTreeMap;
use std::time::Duration;

/// Follows the topic "blue".
#[derive(Default)]
pub(crate) struct Follower {
    client: Option<Client>,
    /// The log of the position that it was told.
    log: String,
    /// The last message, by node: epoch and number.
    heard: BTreeMap<u64, (u64, u64)>,
    /// Holes are counted, not refused.
    pub(crate) lenient: bool,
    pub(crate) missed: u64,
}

fn number(digits: &str) -> u64 {
    u64::from_str_radix(digits, 16).expect("hexadecimal")
}

impl Follower {
    /// It joins for the first time, and is told where it stands.
    pub(crate) fn begins(&mut self, room: &Room) -> Conn {
        let (mut client, conn) = enter(room);
        asks(&mut client, "join blue", "Ok(true)");
        client.send(TEXT, "where blue");
        loop {
            let text = next(&mut client);
            if !text.contains(' ') {
                self.is_at(&text);
                break;
            }
            // It was published before it was asked.
        }
        self.client = Some(client);
        conn
    }

    pub(crate) fn is_at(&mut self, position: &str) {
        let mut parts = position.split('_');
        self.log = parts.next().expect("at least one").into();
        self.heard.clear();
        parts.for_each(|stamp| _ = self.note(stamp));
    }

    /// How many were missed before it; `None`: it was heard before.
    fn note(&mut self, stamp: &str) -> Option<u64> {
        let numbers: Vec<u64> = stamp.split('.').map(number).collect();
        let [node, epoch, seq] = numbers[..] else { panic!("{stamp}") };
        let before = self.heard.insert(node, (epoch, seq)).filter(|before| before.0 == epoch);
        seq.checked_sub(before.map_or(seq, |before| before.1 + 1))
    }

    pub(crate) fn position(&self) -> String {
        let heard =
            self.heard.iter().map(|(node, (epoch, seq))| format!("_{node:x}.{epoch:x}.{seq:x}"));
        self.log.clone() + &heard.collect::<String>()
    }

    /// The number of the last message of the only publisher.
    pub(crate) fn last(&self) -> u64 {
        self.heard.values().map(|heard| heard.1).sum()
    }

    pub(crate) fn goes(&mut self) {
        self.client = None;
    }

    /// It comes back with its position.
    pub(crate) fn comes_back(&mut self, room: &Room, answer: &str) -> Conn {
        let (mut client, conn) = enter(room);
        asks(&mut client, &format!("from blue {}", self.position()), answer);
        self.client = Some(client);
        conn
    }

    pub(crate) fn client(&mut self) -> &mut Client {
        self.client.as_mut().expect("connected")
    }

    /// The next message, which must be the next one.
    pub(crate) fn hears(&mut self) -> String {
        let text = next(self.client());
        self.takes(&text)
    }

    fn takes(&mut self, text: &str) -> String {
        let (stamp, words) = text.split_once(' ').expect("a stamp");
        let before = self.position();
        match self.note(stamp) {
            Some(0) => {}
            Some(missed) if self.lenient => self.missed += missed,
            other => panic!("{stamp} has come behind {before}: {other:?}"),
        }
        words.into()
    }

    /// So many, unless it is closed for being slow; and then it goes.
    pub(crate) fn hears_some(&mut self, most: usize, rests: u64) {
        for heard in 0..most {
            if heard == most / 2 {
                std::thread::sleep(Duration::from_millis(rests * 3));
            }
            let Ok((TEXT, text)) = self.client().try_receive() else { break };
            self.takes(&String::from_utf8(text).unwrap());
        }
        self.goes();
    }

    /// Whether it has heard that one, or hears it now.
    pub(crate) fn catches_up(&mut self, room: &Room, last: u64) -> bool {
        while self.last() < last {
            match self.client().try_receive() {
                Ok((TEXT, text)) => _ = self.takes(&String::from_utf8(text).unwrap()),
                _ => _ = self.comes_back(room, "Ok(Complete)"),
            }
        }
        self.last() == last
    }
}

/// As [`Room::enter`], by several threads at the same time: the connection is asked for.
fn enter(room: &Room) -> (Client, Conn) {
    let mut client = Client::connect(room.port);
    client.send(TEXT, "who");
    let bits = next(&mut client).parse().expect("a number");
    (client, Conn::from_bits(bits))
}
