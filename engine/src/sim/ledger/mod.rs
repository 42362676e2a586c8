//! What everyone has promised everyone: the record against which a run is checked.

mod ends;
mod limits;
mod record;

use super::message::{Whole, draw_message};
use super::notice::Notice;
use super::rules::Rules;
use super::topics::Published;
use crate::memory::Outgoing;
use crate::proto::CloseCode;
use crate::reactor::{Conn, Later, Message, Timer};
use crate::ring::sim::Choices;
use crate::tick::Tick;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

pub(super) use ends::End;
pub(super) use record::Record;

/// What needs no timeout to happen happens within this time, whatever the faults: none of them
/// lasts, and each delays by a few milliseconds.
pub(super) const PROMPT_MS: Tick = 3_000;

/// Where a trace goes.
pub type Trace = Box<dyn FnMut(&str) + Send>;

/// The record of a whole run.
pub(super) struct Ledger {
    pub(super) now: Tick,
    /// The application's decisions.
    pub(super) choices: Choices,
    /// The application behaves from here on: it echoes.
    pub(super) calm: bool,
    pub(super) stopping: bool,
    /// By when the engine must have ended, once it was stopped.
    pub(super) stop_by: Tick,
    /// From when on connections may be closed, and cut off.
    pub(super) closes_from: Tick,
    pub(super) aborts_from: Tick,
    /// What a drain says to them.
    pub(super) drain: Option<(CloseCode, String)>,
    /// Connections that had ended before it was heard of.
    pub(super) ended_before: usize,
    /// The same when it had heard of the drain: in that turn some end before, others behind.
    pub(super) ended_heard: usize,
    pub(super) calm_since: Tick,
    /// When our side was last stopped as a whole, and for how long in all.
    pub(super) stalled_at: Tick,
    pub(super) stalled: Tick,
    pub(super) clients_done: bool,
    pub(super) stream: bool,
    pub(super) message_max: usize,
    /// What all connections may hold together.
    pub(super) memory_max: u64,
    pub(super) rules: Rules,
    /// The policy of a full queue: messages that were taken may be dropped.
    pub(super) drops_oldest: bool,
    /// How many have not come, although later ones have.
    pub(super) skipped: u64,
    /// The number of what was sent last under a key.
    pub(super) latest: u64,
    pub(super) records: Vec<Record>,
    /// Every connection there was, and whose it was.
    pub(super) conns: Vec<(Conn, usize)>,
    /// Retained messages and what they must still say.
    pub(super) kept: Vec<(Outgoing, Vec<u8>)>,
    pub(super) timers: Vec<Timer>,
    /// Timers that are still to fire.
    pub(super) timers_armed: usize,
    pub(super) jobs_taken: usize,
    pub(super) jobs_run: usize,
    pub(super) delivered: u64,
    /// The number of what was published last.
    pub(super) published: u64,
    /// What other threads have published in the turn before and in this one, which may lie in the
    /// mailbox.
    pub(super) in_mail: [Vec<Notice>; 2],
    /// Published messages that a member has not got, although it has got later ones.
    pub(super) gaps: u64,
    /// Requests that are to be answered later, and whose they are.
    pub(super) laters: HashMap<Later, usize>,
    pub(super) answers_given: u64,
    pub(super) answers_seen: u64,
    /// Upgrades that were heard of each address, since the first.
    pub(super) granted: BTreeMap<u8, (Tick, u64)>,
    /// Clients that were closed unheard, and that were told that they ask too often.
    pub(super) crowded: u64,
    pub(super) too_often: u64,
    /// Clients that were told in a stop to try again.
    pub(super) turned_away: u64,
    /// How connections have ended, in that order.
    pub(super) ends: Vec<End>,
    /// Times that our side was stopped as a whole.
    pub(super) stalls: u64,
    /// Connections that ended with messages not sent, and with messages not read: told so.
    pub(super) cut_short: u64,
    pub(super) left_unread: u64,
    /// Closes that were reported although the peer had reset the connection behind them.
    pub(super) last_words: u64,
    pub(super) trace: Option<Trace>,
}

/// The ledger as handler, clients and the run itself share it.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Ledger>>);

impl Shared {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self(Arc::new(Mutex::new(ledger)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().expect("a run that has failed goes no further")
    }
}

impl Ledger {
    pub(super) fn new(choices: Choices, clients: usize, trace: Option<Trace>) -> Self {
        Self {
            now: 0,
            choices,
            calm: false,
            stopping: false,
            stop_by: 0,
            closes_from: Tick::MAX,
            aborts_from: Tick::MAX,
            drain: None,
            ended_before: 0,
            ended_heard: usize::MAX,
            calm_since: 0,
            stalled_at: 0,
            stalled: 0,
            clients_done: false,
            stream: false,
            message_max: 0,
            memory_max: u64::MAX,
            rules: Rules::default(),
            drops_oldest: false,
            skipped: 0,
            latest: 0,
            records: (0..clients).map(|_| Record::default()).collect(),
            conns: Vec::new(),
            kept: Vec::new(),
            timers: Vec::new(),
            timers_armed: 0,
            jobs_taken: 0,
            jobs_run: 0,
            delivered: 0,
            published: 0,
            in_mail: Default::default(),
            gaps: 0,
            laters: HashMap::new(),
            answers_given: 0,
            answers_seen: 0,
            granted: BTreeMap::new(),
            crowded: 0,
            too_often: 0,
            turned_away: 0,
            ends: Vec::new(),
            stalls: 0,
            cut_short: 0,
            left_unread: 0,
            last_words: 0,
            trace,
        }
    }

    /// Adds a line to the trace, if there is one.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace(&format!("{:>7} {}", self.now, line()));
        }
    }

    pub(super) fn opened(&mut self, client: usize, conn: Conn) {
        self.note(|| format!("client {client}: open"));
        let now = self.now;
        self.must_be_admitted(client);
        let record = &mut self.records[client];
        assert!(!record.opened, "client {client}: opened twice");
        record.opened = true;
        record.opened_at = now;
        record.conn = Some(conn);
        self.conns.push((conn, client));
    }

    /// The record of a connection for which a callback came.
    pub(super) fn called(&mut self, client: usize, conn: Conn) -> &mut Record {
        let record = &mut self.records[client];
        assert!(record.opened, "client {client}: a callback before on_open");
        assert!(!record.closed, "client {client}: a callback after on_close");
        assert_eq!(record.conn, Some(conn), "client {client}: another handle");
        record
    }

    /// Checks a delivery against what the client has sent; the whole message at its end.
    pub(super) fn delivered(
        &mut self,
        client: usize,
        conn: Conn,
        message: &Message<'_>,
    ) -> Option<Whole> {
        let stream = self.stream;
        let record = self.called(client, conn);
        assert!(!record.app_abort, "client {client}: a message after the abort");
        assert!(record.paused.is_none(), "client {client}: a message while paused");
        assert!(stream || message.first && message.last, "client {client}: a part of a message");
        assert_eq!(record.partial.is_none(), message.first, "client {client}: parts in disorder");
        let (opcode, payload) = record.partial.get_or_insert((message.opcode, Vec::new()));
        assert_eq!(*opcode, message.opcode, "client {client}: the opcode changed");
        payload.extend_from_slice(message.payload);
        if !message.last {
            return None;
        }
        let whole = record.partial.take();
        let sent = record.sent.pop_front();
        assert!(sent == whole, "client {client}: delivered {}, sent {}", show(&whole), show(&sent));
        self.delivered += 1;
        self.note(|| format!("client {client}: delivered {}", show(&whole)));
        whole
    }

    /// What a client has received: the oldest that it was promised, or something from the mail.
    pub(super) fn received(&mut self, client: usize, whole: &Whole) {
        self.note(|| format!("client {client}: received {}", show(&Some(whole.clone()))));
        let record = &mut self.records[client];
        if record.keys.heard(whole) {
            return;
        }
        let at = record.expected.iter().position(|expected| expected == whole);
        let promised = at.is_some_and(|at| at == 0 || self.drops_oldest);
        if let (Some(at), true) = (at, promised) {
            self.skipped += at as u64;
            record.expected.drain(..=at);
        }
        if let Some(published) = Published::of(whole) {
            self.gaps += record.topics.heard(published, whole, promised);
            return;
        }
        if promised {
            return;
        }
        let Some(at) = record.mailed.iter().position(|mailed| mailed == whole) else {
            let promised = show(&record.expected.front().cloned());
            let received = show(&Some(whole.clone()));
            panic!("client {client}: received {received}, promised {promised}");
        };
        // Those before it were refused by the connection, or it came out of order.
        record.mailed.drain(..=at);
    }

    /// A turn has ended: what lay in the mailbox before it has been delivered.
    pub(super) fn turned(&mut self) {
        let [before, now] = &mut self.in_mail;
        before.clear();
        before.append(now);
    }

    /// A connection at random, perhaps one that is long gone.
    pub(super) fn any_conn(&mut self) -> Option<(Conn, usize)> {
        let at = self.choices.below(self.conns.len());
        self.conns.get(at).copied()
    }

    /// A message to send. What is mailed is marked, so that it cannot be taken for anything else.
    pub(super) fn payload(&mut self, mailed: bool) -> Whole {
        draw_message(&mut self.choices, self.message_max, if mailed { "mail " } else { "" })
    }
}

fn show(whole: &Option<Whole>) -> String {
    let Some((opcode, payload)) = whole else { return "nothing".into() };
    let start: Vec<u8> = payload.iter().copied().take(12).collect();
    format!("{opcode:?} of {} bytes {:?}", payload.len(), String::from_utf8_lossy(&start))
}
