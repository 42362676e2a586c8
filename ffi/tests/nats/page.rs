//! A client of `examples/cluster.c`, which keeps its position as `docs/samples/follow.js` does.

use ringws_kit::{CLOSE, Client, PING, PONG, TEXT, ask, frame, tcp, until};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The place of a message: node, epoch and number.
type Place = (u64, u64, u64);

/// What was lost on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) node: u64,
    epoch: u64,
    first: u64,
    pub(crate) last: u64,
}

impl Gap {
    fn has(&self, (node, epoch, number): Place) -> bool {
        let last = if self.last == 0 { u64::MAX } else { self.last };
        (node, epoch) == (self.node, self.epoch) && (self.first..=last).contains(&number)
    }
}

#[derive(Debug)]
pub(crate) struct Page {
    room: String,
    /// What we send goes here; what comes is read on a thread of its own.
    stream: TcpStream,
    frames: Receiver<(u8, Vec<u8>)>,
    log: String,
    heard: BTreeMap<u64, (u64, u64)>,
    said: Vec<(Place, String)>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) is_late: bool,
}

fn connect(port: u16, target: &str) -> (TcpStream, Receiver<(u8, Vec<u8>)>) {
    let mut client =
        Client::open_with(tcp(port), target, &[]).with_patience(Duration::from_secs(90));
    let stream = client.stream.try_clone().unwrap();
    let (to, frames) = channel();
    std::thread::spawn(move || {
        while let Ok(frame) = client.try_receive() {
            let is_over = frame.0 == CLOSE;
            if to.send(frame).is_err() || is_over {
                return;
            }
        }
    });
    (stream, frames)
}

fn place(stamp: &str) -> Place {
    let numbers: Result<Vec<u64>, _> =
        stamp.split('.').map(|digits| u64::from_str_radix(digits, 16)).collect();
    let numbers = numbers.unwrap_or_else(|error| panic!("{stamp:?}: {error}"));
    <[u64; 3]>::try_from(numbers).expect("node, epoch and number").into()
}

impl Page {
    /// For the first time; it knows where.
    pub(crate) fn comes(port: u16, room: &str) -> Self {
        let (stream, frames) = connect(port, room);
        let mut page = Self {
            room: room.into(),
            stream,
            frames,
            log: String::new(),
            heard: BTreeMap::new(),
            said: Vec::new(),
            gaps: Vec::new(),
            is_late: false,
        };
        until("its position", || {
            page.take();
            !page.log.is_empty()
        });
        page
    }

    /// What it is answered who asks for a room that there is not.
    pub(crate) fn refused(port: u16, room: &str) -> String {
        ask(&mut tcp(port), room, &[]).unwrap().lines().next().unwrap().to_owned()
    }

    /// To another engine.
    pub(crate) fn comes_back(&mut self, port: u16) {
        let heard = |(node, (epoch, number)): (&u64, &(u64, u64))| {
            format!("_{node:x}.{epoch:x}.{number:x}")
        };
        let position: String = self.heard.iter().map(heard).collect();
        let target = format!("{}?after={}{position}", self.room, self.log);
        // Mostly it is gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
        (self.stream, self.frames) = connect(port, &target);
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.stream.write_all(&frame(TEXT, text)).unwrap();
    }

    /// What has come by now.
    pub(crate) fn take(&mut self) {
        while let Ok((first, payload)) = self.frames.try_recv() {
            match first {
                PING => self.stream.write_all(&frame(PONG, payload)).unwrap(),
                TEXT => self.line(std::str::from_utf8(&payload).unwrap()),
                _ => panic!("{first:#x} {}", payload.escape_ascii()),
            }
        }
    }

    fn line(&mut self, line: &str) {
        match line.split_once(' ') {
            None => {
                assert_eq!(line, "late");
                self.is_late = true;
            }
            Some(("at", position)) => {
                let (log, heard) = position.split_once('_').unwrap_or((position, ""));
                self.log = log.into();
                heard.split('_').filter(|part| !part.is_empty()).for_each(|part| {
                    let (node, epoch, number) = place(part);
                    self.heard.insert(node, (epoch, number));
                });
            }
            Some(("gap", range)) => {
                let (first, last) = range.split_once(' ').unwrap();
                let ((node, epoch, first), last) = (place(first), u64::from_str_radix(last, 16));
                self.gaps.push(Gap { node, epoch, first, last: last.unwrap() });
            }
            Some((stamp, text)) => {
                let at = place(stamp);
                let last = self.heard.insert(at.0, (at.1, at.2));
                assert!(last < Some((at.1, at.2)), "{line:?} behind {last:x?}");
                self.said.push((at, text.into()));
            }
        }
    }

    /// How many engines it has heard something of that was said there.
    pub(crate) fn publishers(&self) -> usize {
        self.said.iter().map(|(at, _)| at.0).collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn texts(&self) -> Vec<&str> {
        self.said.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The engine that this was said on.
    pub(crate) fn node_of(&self, text: &str) -> u64 {
        self.said.iter().find(|(_, said)| said == text).expect("heard").0.0
    }

    /// These come, each once and in this order; others may stand between.
    pub(crate) fn hears_all(&mut self, texts: impl IntoIterator<Item = String>) {
        let texts: Vec<String> = texts.into_iter().collect();
        let heard = |page: &Self| -> Vec<String> {
            let ours = page.texts().into_iter().filter(|text| texts.iter().any(|of| of == text));
            ours.map(String::from).collect()
        };
        until(&texts[texts.len() - 1], || {
            self.take();
            heard(self).len() >= texts.len()
        });
        assert_eq!(heard(self), texts);
    }

    pub(crate) fn hears_of_a_gap(&mut self, which: impl Fn(&Gap) -> bool) {
        until("a gap", || {
            self.take();
            self.gaps.iter().any(&which)
        });
    }

    /// The connection breaks, without a Close.
    pub(crate) fn is_cut_off(&mut self) {
        while let Ok((first, payload)) = self.frames.recv_timeout(Duration::from_secs(30)) {
            assert_eq!(first, TEXT);
            self.line(std::str::from_utf8(&payload).unwrap());
        }
    }

    /// A Close comes, and is answered.
    pub(crate) fn is_sent_away(&mut self, code: u16) {
        loop {
            let (first, payload) = self.frames.recv_timeout(Duration::from_secs(30)).unwrap();
            if first == CLOSE {
                assert_eq!(payload[..2], code.to_be_bytes());
                return self.stream.write_all(&frame(CLOSE, &payload)).unwrap();
            }
            self.line(std::str::from_utf8(&payload).unwrap());
        }
    }
}

/// Of all that anybody has heard, each of them has heard what came behind the first of its
/// publisher that he has heard; or was told that he would not.
pub(crate) fn judge(pages: &[Page]) {
    let all: BTreeMap<Place, &String> =
        pages.iter().flat_map(|page| &page.said).map(|(at, text)| (*at, text)).collect();
    for page in pages {
        let has: BTreeSet<Place> = page.said.iter().map(|(at, _)| *at).collect();
        for (&at, text) in &all {
            let is_before =
                has.iter().find(|first| first.0 == at.0).is_none_or(|first| at < *first);
            let is_told = page.is_late || page.gaps.iter().any(|gap| gap.has(at));
            assert!(is_before || is_told || has.contains(&at), "{text:?} is missing: {page:x?}");
        }
    }
}
