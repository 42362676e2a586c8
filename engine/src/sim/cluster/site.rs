//! One engine of a cluster, without its reactors: what it shares between threads and its bus are
//! the real ones, and its mail is read here.

use super::script::TOPICS;
use crate::broker::{Inbound, Link, Port};
use crate::bus::{Gap, Manner, Name, Number, Settings};
use crate::memory::Outgoing;
use crate::proto::Opcode;
use crate::reactor::log::Logger;
use crate::reactor::{Begun, CallError, Handle, Mail, ToBus, TopicLimits};
use crate::ring::{Token, Waker};
use crate::tick::Tick;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of mail that may wait for the reactor, and for the bus.
const MAIL_MAX: usize = 20_000;
const QUEUE_MAX: usize = 3_000;

thread_local! {
    /// Nobody waits to be woken, so all can have the same one.
    static WAKERS: RefCell<Option<Arc<[Waker]>>> = const { RefCell::new(None) };
}

/// The name of a topic by its number; the one behind the last is that of all engines.
pub(super) fn name(topic: usize) -> &'static [u8] {
    [&b"a"[..], b"b", b"c", b""][topic]
}

/// What a member gets.
pub(super) enum Got {
    Message(usize, Vec<u8>),
    Gap(usize, Gap),
}

pub(super) struct Site {
    pub(super) life: usize,
    pub(super) handle: Handle,
    link: Arc<Link>,
    pub(super) port: Port,
    pub(super) inbound: Inbound,
    /// As the client of the broker sees it.
    pub(super) is_up: bool,
    pub(super) conn: u32,
    pub(super) frame_max: usize,
    pub(super) late_ms: Tick,
    /// Topics that are wanted, and from when on the broker knows it.
    pub(super) wants: BTreeMap<usize, Tick>,
    pub(super) is_stalled: bool,
    is_stuck: bool,
    /// By topic.
    pub(super) members: [Option<usize>; TOPICS],
    generation: u32,
    mails: VecDeque<Mail>,
}

impl Site {
    pub(super) fn new(life: usize, settings: Settings, clock: &Arc<AtomicU64>) -> Self {
        let wakers = WAKERS.with_borrow_mut(|wakers| {
            let new = || [Waker::new().expect("an eventfd")].into();
            Arc::clone(wakers.get_or_insert_with(new))
        });
        let handle = Handle::new(wakers, TopicLimits::default(), u64::MAX, MAIL_MAX);
        handle.0.mailboxes[0].open();
        let to_bus = Arc::new(ToBus::new(b"", QUEUE_MAX));
        assert!(handle.set_bus(Arc::clone(&to_bus), settings.origin), "the first one");
        let clock = Arc::clone(clock);
        let clock = Box::new(move || clock.load(Ordering::Relaxed));
        let link = Link::new(settings, to_bus, handle.clone(), clock, (None, Logger::default()));
        let (port, inbound) = (link.port(), link.port().inbound());
        Self {
            life,
            handle,
            link,
            port,
            inbound,
            is_up: false,
            conn: 0,
            frame_max: 0,
            late_ms: 0,
            wants: BTreeMap::new(),
            is_stalled: false,
            is_stuck: false,
            members: [None; TOPICS],
            generation: 0,
            mails: VecDeque::new(),
        }
    }

    pub(super) fn join(&mut self, topic: usize, member: usize) {
        self.generation += 1;
        self.members[topic] = Some(member);
        // The name of the topic in mail is that of the member.
        let token = Token { slot: member as u32, generation: self.generation };
        let begun = Begun { name: name(topic).into(), topic: token, count: Arc::new(1.into()) };
        self.handle.0.directory.begin(0, begun);
    }

    pub(super) fn leave(&mut self, topic: usize) -> Option<usize> {
        let member = self.members[topic].take()?;
        self.handle.0.directory.end(0, name(topic));
        Some(member)
    }

    /// Publishes; the number that it was given.
    pub(super) fn publish(
        &mut self,
        topic: usize,
        id: u64,
        bytes: usize,
    ) -> Result<Number, CallError> {
        let mut payload = id.to_be_bytes().to_vec();
        payload.resize(bytes.max(8), 0);
        let before = self.number(topic);
        let message = Outgoing::copied(Opcode::Binary, &payload);
        let done = self.handle.publish(name(topic), &message, None);
        let number = self.number(topic);
        done.inspect_err(|_| assert_eq!(before, number, "what was refused took a number"))?;
        Ok(number)
    }

    fn number(&self, topic: usize) -> Number {
        let directory = &self.handle.0.directory;
        directory.in_order_everywhere(name(topic), true, |of| {
            of.spoken.map_or_else(Number::default, |spoken| spoken.number)
        })
    }

    /// What has come for members since.
    pub(super) fn read(&mut self) -> Vec<Got> {
        let mailbox = &self.handle.0.mailboxes[0];
        if !mailbox.has_some() {
            return Vec::new();
        }
        mailbox.take(&mut self.mails);
        let of = |token: Token| {
            let member = token.slot as usize;
            self.members.contains(&Some(member)).then_some(member)
        };
        let got = |mail: Mail| match mail {
            Mail::Published(token, what) => {
                assert_eq!(what.manner, Manner::Queued);
                of(token).map(|member| Got::Message(member, what.message.payload().to_vec()))
            }
            Mail::Missing(token, gap) => of(token).map(|member| Got::Gap(member, *gap)),
            _ => panic!("other mail than what is published"),
        };
        self.mails.drain(..).filter_map(got).collect()
    }

    /// Takes all room in the mailbox, or gives it back.
    pub(super) fn stick(&mut self, is_stuck: bool) {
        if std::mem::replace(&mut self.is_stuck, is_stuck) == is_stuck {
            return;
        }
        match is_stuck {
            true => self.handle.0.mailboxes[0].reserve(MAIL_MAX).expect("it was read"),
            false => self.handle.0.mailboxes[0].give_up(MAIL_MAX),
        }
    }

    /// All reactors have ended.
    pub(super) fn stop(&self) {
        self.link.stop();
    }
}

/// The number of a topic by its name.
pub(super) fn topic_of(topic: &Name) -> usize {
    (0..=TOPICS).find(|at| name(*at) == &**topic).expect("a topic that somebody has joined")
}
