//! What everyone has promised everyone: the record against which a run is checked.

use super::keys::Keys;
use super::message::{Whole, draw_message};
use super::topics::{Memberships, Published};
use crate::conn::Failure;
use crate::memory::Outgoing;
use crate::proto::CloseCode;
use crate::reactor::{Closed, Conn, Drain, EndError, Message, Timer};
use crate::ring::sim::Choices;
use crate::tick::Tick;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What needs no timeout to happen happens within this time, whatever the faults: none of them
/// lasts, and each delays by a few milliseconds.
pub(super) const PROMPT_MS: Tick = 3_000;

/// Where a trace goes.
pub type Trace = Box<dyn FnMut(&str) + Send>;

/// What is known of one client and its connection.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) conn: Option<Conn>,
    pub(super) opened: bool,
    pub(super) closed: bool,
    /// The application refused the upgrade.
    pub(super) refused: bool,
    /// Sent by the client and not yet delivered, in order.
    pub(super) sent: VecDeque<Whole>,
    /// Parts of the message under delivery, in stream mode.
    partial: Option<Whole>,
    /// Accepted from the application and not yet received by the client, in order.
    pub(super) expected: VecDeque<Whole>,
    /// The same of what came by mail, which may be dropped on the way.
    pub(super) mailed: VecDeque<Whole>,
    pub(super) topics: Memberships,
    pub(super) keys: Keys,
    /// A message that the application sends in fragments.
    pub(super) building: Option<Whole>,
    /// Echoes that found the queue full.
    pub(super) owed: VecDeque<Whole>,
    /// Since when the application has paused it.
    pub(super) paused: Option<Tick>,
    /// It resets the connection, or ends it without a Close: its pauses have no end.
    pub(super) leaves: bool,
    /// It keeps to RFC 6455 and answers whatever it reads: nothing but the application ends it.
    pub(super) healthy: bool,
    /// Its Close frame is on the wire, whole, and nothing but the peer's own reset has happened to
    /// that since.
    pub(super) close_arrives: bool,
    /// It resets the connection as soon as its Close is on the wire.
    pub(super) resets_behind_close: bool,
    /// Bytes that on_close said were not sent.
    pub(super) unsent: u64,
    /// With which code the application began to close.
    pub(super) app_close: Option<CloseCode>,
    /// With which code the client has closed, its own or the echo of the server's.
    pub(super) client_close: Option<CloseCode>,
    pub(super) app_abort: bool,
    /// Another thread has asked for the abort.
    pub(super) app_abort_mailed: bool,
    /// It was closed for the memory that it held.
    pub(super) shed: bool,
}

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
    closes_from: Tick,
    aborts_from: Tick,
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
    /// mailbox, and the client that does not get it.
    pub(super) in_mail: [Vec<(Published, Whole, Option<usize>)>; 2],
    /// Published messages that a member has not got, although it has got later ones.
    pub(super) gaps: u64,
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

    /// The engine is told to stop.
    pub(super) fn stop(&mut self, grace: Duration) {
        self.note(|| format!("stop with a grace of {grace:?}"));
        self.stopping = true;
        self.closes_from = self.closes_from.min(self.now);
        let until = self.now + grace.as_millis() as Tick;
        self.stop_by = until + PROMPT_MS;
        // A deadline that has passed while the process was stopped is not taken back.
        if self.now < self.aborts_from {
            self.aborts_from = until;
        }
    }

    /// The engine is told to drain: nobody is closed before its time, nor cut off before the
    /// deadline.
    pub(super) fn drain(&mut self, how: &Drain) {
        self.note(|| format!("{how:?}"));
        self.stopping = true;
        self.closes_from = self.now + how.serve.as_millis() as Tick;
        self.aborts_from = self.now + how.deadline.as_millis() as Tick;
        self.stop_by = self.aborts_from + PROMPT_MS;
        self.drain = Some((how.code, how.reason.clone()));
    }

    /// Whether a Close of a client's is what a stop or the drain sends, in its time.
    pub(super) fn is_farewell(&self, code: CloseCode, payload: &[u8]) -> bool {
        let going_away = (CloseCode::GOING_AWAY, String::new());
        let (said, reason) = self.drain.as_ref().unwrap_or(&going_away);
        let as_told = code == *said && payload.get(2..) == Some(reason.as_bytes());
        self.is_closing() && as_told
    }

    /// Whether the engine may end whoever it wants.
    pub(super) fn is_closing(&self) -> bool {
        self.stopping && self.now >= self.closes_from
    }

    pub(super) fn opened(&mut self, client: usize, conn: Conn) {
        self.note(|| format!("client {client}: open"));
        let record = &mut self.records[client];
        assert!(!record.opened, "client {client}: opened twice");
        record.opened = true;
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

    pub(super) fn closed(&mut self, client: usize, conn: Conn, closed: &Closed<'_>) {
        let Closed { info, error, unsent, unread, .. } = closed;
        self.note(|| format!("client {client}: {closed:?}"));
        self.cut_short += u64::from(*unsent > 0);
        self.left_unread += u64::from(*unread > 0);
        let heard = info.code != CloseCode::ABNORMAL;
        self.last_words += u64::from(heard && self.records[client].resets_behind_close);
        let (budget, stopping) = (self.memory_max < u64::MAX, self.stopping);
        let record = self.called(client, conn);
        record.closed = true;
        record.topics.joined.clear();
        record.unsent = *unsent;
        if info.code != CloseCode::ABNORMAL {
            // The peer's Close was processed, so all that came before it was delivered, or was not
            // wanted: that is told.
            let come: usize = record.sent.iter().map(|(_, payload)| payload.len()).sum();
            let begun = record.partial.as_ref().map_or(0, |(_, payload)| payload.len());
            let missing = (come - begun) as u64;
            assert!(missing <= *unread, "client {client}: {missing} bytes before its Close lost");
            assert_eq!(Some(info.code), record.client_close, "client {client}: another code");
        }
        let cut_off = match error {
            Some(
                EndError::Aborted | EndError::Stopped | EndError::Reactor(_) | EndError::Panicked,
            ) => true,
            // The wire broke, unless the peer itself has reset it behind its Close.
            Some(EndError::Receiving(_) | EndError::Sending(_)) => !record.resets_behind_close,
            // What came then was not looked at any more.
            Some(EndError::Failure(Failure::OutOfMemory)) => true,
            _ => false,
        };
        if let Some(EndError::Failure(Failure::OutOfMemory)) = error {
            record.shed = true;
            // What was with the kernel then may have left before the Close: that it held something
            // the reactor asserts itself.
            assert!(unread + unsent > 0 || info.sent.is_some(), "client {client}: held nothing");
            assert!(budget, "client {client}: closed without a budget");
            // Unless it was being closed already.
            if let (Some(sent), None, false) = (info.sent, record.app_close, stopping) {
                assert_eq!(sent, CloseCode::TRY_AGAIN, "client {client}: another code");
            }
        }
        if record.close_arrives && !cut_off {
            assert_ne!(info.code, CloseCode::ABNORMAL, "client {client}: its Close was lost");
        }
        if *error == Some(EndError::Stopped) {
            assert!(self.now >= self.aborts_from, "client {client}: cut off too early");
        }
        let record = &self.records[client];
        if let Some(EndError::Failure(Failure::TimedOut(timeout))) = error {
            assert!(!record.healthy, "client {client}: healthy, and dropped: {timeout}");
        }
        if let (Some(code), Some(sent)) = (record.app_close, info.sent) {
            assert_eq!(sent, code, "client {client}: another code than the application's was sent");
        }
    }

    /// Whether there is a reason to answer a client with 503.
    pub(super) fn is_turned_away(&mut self, client: usize, head: &str) -> bool {
        let busy = head.contains("\r\nRetry-After: ") && self.memory_max < u64::MAX;
        self.records[client].refused |= busy;
        busy || self.stopping
    }

    /// Whether a Close frame says that the connection ends for what it holds. That is dropped, and
    /// `closed` hears how much it was.
    pub(super) fn is_shed(&mut self, client: usize, code: CloseCode) -> bool {
        let shed = code == CloseCode::TRY_AGAIN && self.memory_max < u64::MAX;
        self.records[client].shed |= shed;
        shed
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
