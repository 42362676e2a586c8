//! What is said on one connection to a broker, without I/O: the greeting, who we are, all
//! subscriptions, and then frames both ways.

use super::codec::Said;
use super::info::Info;
use super::interests::Interests;
use super::stream::Output;
use super::subject::subject;
use std::time::{Duration, Instant};

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It greets first.
    Greeting,
    /// We have said who we are.
    Asking,
    /// It has let us in, and is told what we want.
    Subscribing,
    /// It has taken all subscriptions.
    Up,
    /// Nothing is sent any more, and what was sent is being taken.
    Leaving,
}

/// What comes of what the broker says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// It has said something of itself for the first time, and waits for [`Session::connect`].
    Greeted,
    /// It has said something of itself again.
    Informed,
    /// It has taken our credentials.
    LetIn,
    /// Whatever is published on any of our subjects from now on comes here.
    Up,
    /// A frame.
    Message { sid: u64, payload: &'a [u8] },
    /// Something is wrong.
    Error(&'a str),
    /// It has taken all that we have sent.
    Left,
}

/// One connection, from its greeting.
pub(super) struct Session {
    pub(super) output: Output,
    pub(super) info: Info,
    stage: Stage,
    /// The greatest number of a subscription that it was told of.
    subscribed: u64,
    /// Of PINGs, and of PONGs, which come in the same order.
    pings: u64,
    pongs: u64,
    /// The PING whose PONG ends the stage.
    awaited: Option<u64>,
    owes_pong: bool,
    heard: Instant,
    /// Of the PING that has no answer yet, or of the last one.
    asked: Instant,
    interval: Duration,
    pending_max: usize,
    prefix: String,
}

impl Session {
    pub(super) fn new(prefix: &str, interval: Duration, pending_max: usize, now: Instant) -> Self {
        Self {
            output: Output::default(),
            info: Info::default(),
            stage: Stage::Greeting,
            subscribed: 0,
            pings: 0,
            pongs: 0,
            awaited: None,
            owes_pong: false,
            heard: now,
            asked: now,
            interval,
            pending_max,
            prefix: prefix.into(),
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.stage == Stage::Up
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.stage == Stage::Leaving
    }

    /// Whether more may be queued.
    pub(super) fn has_room(&self) -> bool {
        self.output.len() < self.pending_max
    }

    /// Bytes have come, whatever they are.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The broker has said something; `None`: nothing comes of it. What it says is put aside where
    /// that is `Info`, and `None` too where it makes no sense.
    pub(super) fn receive<'a>(&mut self, said: Said<'a>) -> Option<Event<'a>> {
        match said {
            Said::Info(json) => {
                self.info = Info::parse(json)?;
                let first = self.stage == Stage::Greeting;
                Some(if first { Event::Greeted } else { Event::Informed })
            }
            Said::Message { sid, payload } => Some(Event::Message { sid, payload }),
            // However often it asks, it is answered once when there is room.
            Said::Ping => {
                self.owes_pong = true;
                None
            }
            Said::Pong => {
                self.pongs += 1;
                self.awaited.take_if(|awaited| *awaited == self.pongs)?;
                match self.stage {
                    Stage::Asking => {
                        self.stage = Stage::Subscribing;
                        Some(Event::LetIn)
                    }
                    Stage::Subscribing => {
                        self.stage = Stage::Up;
                        Some(Event::Up)
                    }
                    Stage::Leaving => Some(Event::Left),
                    Stage::Greeting | Stage::Up => None,
                }
            }
            Said::Ok => None,
            Said::Error(text) => Some(Event::Error(text)),
        }
    }

    /// Says who we are, and asks whether that was good.
    pub(super) fn connect(&mut self, line: &str, now: Instant) {
        self.output.push(&[line.as_bytes()]);
        self.stage = Stage::Asking;
        self.awaited = Some(self.ping(now));
    }

    fn ping(&mut self, now: Instant) -> u64 {
        self.output.push(&[b"PING\r\n"]);
        if self.pings == self.pongs {
            self.asked = now;
        }
        self.pings += 1;
        self.pings
    }

    /// Tells of subscriptions that it does not know, as far as there is room, and then asks whether
    /// it has taken them. Whether it has been told of all.
    pub(super) fn subscribe(&mut self, interests: &Interests, now: Instant) -> bool {
        if !matches!(self.stage, Stage::Subscribing | Stage::Up) {
            return true;
        }
        while let Some((sid, topic)) = interests.behind(self.subscribed) {
            if !self.has_room() {
                return false;
            }
            let line = format!("SUB {} {sid}\r\n", subject(&self.prefix, topic));
            self.output.push(&[line.as_bytes()]);
            self.subscribed = sid;
        }
        if self.stage == Stage::Subscribing && self.awaited.is_none() {
            self.awaited = Some(self.ping(now));
        }
        true
    }

    /// Ends a subscription.
    pub(super) fn unsubscribe(&mut self, sid: u64) {
        if sid <= self.subscribed {
            self.output.push(&[format!("UNSUB {sid}\r\n").as_bytes()]);
        }
    }

    /// Queues a frame. `false`: it is larger than the broker takes, which would cut us off.
    pub(super) fn publish(&mut self, topic: &[u8], frame: &[u8]) -> bool {
        if frame.len() > self.info.max_payload {
            return false;
        }
        let line = format!("PUB {} {}\r\n", subject(&self.prefix, topic), frame.len());
        self.output.push(&[line.as_bytes(), frame, b"\r\n"]);
        true
    }

    /// Asks it to say when it has taken all that was sent; nothing more is.
    pub(super) fn leave(&mut self, now: Instant) {
        self.stage = Stage::Leaving;
        self.awaited = Some(self.ping(now));
    }

    /// Answers and asks what is due; when to come again.
    ///
    /// # Errors
    /// It does not answer. Whatever has come by `now` must have been looked at before.
    pub(super) fn alive(&mut self, now: Instant) -> Result<Instant, String> {
        if self.owes_pong && self.has_room() {
            self.owes_pong = false;
            self.output.push(&[b"PONG\r\n"]);
        }
        if self.pings == self.pongs {
            // Before it has let us in it has a time for that.
            if now >= self.asked + self.interval && self.stage != Stage::Greeting {
                self.ping(now);
            }
            return Ok(now.max(self.asked) + self.interval);
        }
        // Silence, or an answer that does not come though it sends: then it does not read.
        let patience = if self.heard <= self.asked { self.interval } else { 3 * self.interval };
        if now >= self.asked + patience {
            let waited = (now - self.asked).as_millis();
            return Err(format!("the server has not answered for {waited} ms"));
        }
        Ok(self.asked + patience)
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::parse;
    use super::*;
    use crate::bus::Name;

    const INTERVAL: Duration = Duration::from_secs(10);
    const ROOM: usize = 4_096;

    struct Talk {
        session: Session,
        interests: Interests,
        now: Instant,
    }

    impl Talk {
        fn new(topics: usize) -> Self {
            let now = Instant::now();
            let mut interests = Interests::default();
            for number in 0..topics {
                interests.begin(Name::from(number.to_string().as_bytes()));
            }
            Self { session: Session::new("p", INTERVAL, ROOM, now), interests, now }
        }

        /// What comes of what the broker says.
        fn hear(&mut self, text: &str) -> Vec<String> {
            let (mut rest, mut events) = (text.as_bytes(), Vec::new());
            while let Some((said, used)) = parse(rest).unwrap() {
                events.extend(self.session.receive(said).map(|event| format!("{event:?}")));
                rest = &rest[used..];
            }
            events
        }

        /// What we have said since.
        fn said(&mut self) -> String {
            let bytes = self.session.output.take();
            String::from_utf8(bytes).unwrap()
        }

        fn up(topics: usize) -> Self {
            let mut talk = Self::new(topics);
            assert_eq!(talk.hear("INFO {\"max_payload\":10}\r\n"), ["Greeted"]);
            talk.session.connect("CONNECT {}\r\n", talk.now);
            assert_eq!(talk.hear("PONG\r\n"), ["LetIn"]);
            assert!(talk.session.subscribe(&talk.interests, talk.now));
            assert_eq!(talk.hear("PONG\r\n"), ["Up"]);
            talk.said();
            talk
        }
    }

    #[test]
    fn up_is_when_the_subscriptions_have_been_taken() {
        let mut talk = Talk::new(2);
        assert_eq!(talk.hear("INFO {\"max_payload\":10}\r\n"), ["Greeted"]);
        assert!(talk.session.subscribe(&talk.interests, talk.now), "not before it has let us in");
        assert_eq!(talk.said(), "");
        talk.session.connect("CONNECT {}\r\n", talk.now);
        assert_eq!(talk.said(), "CONNECT {}\r\nPING\r\n");
        assert_eq!(talk.hear("+OK\r\nINFO {}\r\nPONG\r\n"), ["Informed", "LetIn"]);
        assert!(talk.session.subscribe(&talk.interests, talk.now));
        assert_eq!(talk.said(), "SUB p.t.0 1\r\nSUB p.t.1 2\r\nPING\r\n");
        assert!(!talk.session.is_up());
        assert_eq!(talk.hear("PONG\r\n"), ["Up"]);
        assert!(talk.session.is_up());
        assert!(talk.session.subscribe(&talk.interests, talk.now));
        assert_eq!(talk.said(), "");
    }

    #[test]
    fn many_subscriptions_wait_for_room() {
        let mut talk = Talk::new(1_000);
        talk.hear("INFO {}\r\n");
        talk.session.connect("CONNECT {}\r\n", talk.now);
        talk.hear("PONG\r\n");
        talk.said();
        let (mut all, mut rounds) = (String::new(), 0);
        while !talk.session.subscribe(&talk.interests, talk.now) {
            let said = talk.said();
            assert!(said.len() < ROOM + 64 && !said.contains("PING"));
            all += &said;
            rounds += 1;
        }
        all += &talk.said();
        assert!(rounds > 3 && all.ends_with("\r\nPING\r\n"), "{rounds}");
        assert_eq!(all.matches("SUB ").count(), 1_000);
    }

    #[test]
    fn what_changes_while_up_is_told_once() {
        let mut talk = Talk::up(1);
        talk.interests.begin(Name::from(&b"x"[..]));
        assert!(talk.session.subscribe(&talk.interests, talk.now));
        assert!(talk.session.subscribe(&talk.interests, talk.now));
        assert_eq!(talk.said(), "SUB p.t.x 2\r\n");
        talk.session.unsubscribe(2);
        talk.session.unsubscribe(3);
        assert_eq!(talk.said(), "UNSUB 2\r\n", "it has never heard of the other");
    }

    #[test]
    fn frames_go_as_they_are_up_to_what_it_takes() {
        let mut talk = Talk::up(1);
        assert!(talk.session.publish(b"", b"a\r\nb"));
        assert!(!talk.session.publish(b"", &[b'a'; 11]));
        assert!(talk.session.publish(b"x y", &[b'a'; 10]));
        assert_eq!(talk.said(), "PUB p.all 4\r\na\r\nb\r\nPUB p.t.x%20y 10\r\naaaaaaaaaa\r\n");
        assert_eq!(
            talk.hear("MSG p.t.0 1 2\r\nhi\r\n"),
            ["Message { sid: 1, payload: [104, 105] }"]
        );
    }

    #[test]
    fn its_pings_are_answered_once_when_there_is_room() {
        let mut talk = Talk::up(1);
        talk.session.publish(b"", b"0123456789");
        for _ in 0..ROOM {
            talk.session.output.push(&[b"x"]);
        }
        talk.hear(&"PING\r\n".repeat(100));
        talk.session.alive(talk.now).unwrap();
        assert!(!talk.said().contains("PONG"));
        talk.session.alive(talk.now).unwrap();
        talk.session.alive(talk.now).unwrap();
        assert_eq!(talk.said(), "PONG\r\n");
    }

    #[test]
    fn silence_is_asked_and_then_it_is_the_end() {
        let mut talk = Talk::up(1);
        let start = talk.now;
        assert_eq!(talk.session.alive(start), Ok(start + INTERVAL));
        assert_eq!(talk.said(), "");
        let asked = start + INTERVAL;
        assert_eq!(talk.session.alive(asked), Ok(asked + INTERVAL));
        assert_eq!(talk.said(), "PING\r\n");
        assert!(talk.session.alive(asked + INTERVAL / 2).is_ok());
        assert!(talk.session.alive(asked + INTERVAL).is_err());
        // It says something, but does not answer: it does not read.
        talk.session.heard(asked + INTERVAL / 2);
        assert_eq!(talk.session.alive(asked + INTERVAL), Ok(asked + 3 * INTERVAL));
        assert!(talk.session.alive(asked + 3 * INTERVAL).is_err());
        talk.hear("PONG\r\n");
        assert!(talk.session.alive(asked + 3 * INTERVAL).is_ok());
        assert_eq!(talk.said(), "PING\r\n", "the next one is due");
    }

    #[test]
    fn it_is_left_when_it_has_taken_all() {
        let mut talk = Talk::up(1);
        talk.session.publish(b"", b"last");
        talk.session.leave(talk.now);
        assert!(talk.session.is_leaving() && !talk.session.is_up());
        assert_eq!(talk.said(), "PUB p.all 4\r\nlast\r\nPING\r\n");
        assert_eq!(talk.hear("PONG\r\n"), ["Left"]);
    }
}
