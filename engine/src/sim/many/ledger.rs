//! Who was promised what, by whom, on several reactors. Calls are numbered in the order in which
//! they are made, which is that of the world: it plays one turn at a time.

use super::report::ManyReport;
use crate::reactor::{CallError, Cause, Closed, Conn, Later, Stats};
use crate::ring::sim::Choices;
use crate::sim::keys::Keys;
use crate::sim::ledger::Trace;
use crate::tick::Tick;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// The topics of a run.
pub(super) const TOPICS: [&str; 3] = ["blue", "red", "green"];

/// What a peer says in the end, and what it is answered.
pub(super) const PROBE: &[u8] = b"are you still there?";
pub(super) const SERVED: &str = "you are served";

/// What is known of one peer and its connection.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) conn: Option<Conn>,
    pub(super) opened: bool,
    pub(super) closed: bool,
    /// The peer has nothing more to say or hear.
    pub(super) done: bool,
    pub(super) refused: bool,
    /// We have closed it or ended it: what is sent to it since need not come.
    pub(super) ended_by_us: bool,
    /// It was closed by the peer, both have said so, and nothing went wrong.
    pub(super) in_order: bool,
    /// Calls for it, and publishes, of which `on_close` has said that it did not get them.
    dropped: u64,
    pub(super) joined: BTreeSet<&'static str>,
    /// Publishes that it has not got, by their number, and the latest that it has got.
    due: BTreeSet<(&'static str, u64)>,
    latest: BTreeMap<&'static str, u64>,
    /// The same of what threads have sent to it, each in its order.
    sent: BTreeMap<usize, VecDeque<u64>>,
    pub(super) keys: Keys,
    /// Publishes, and messages, that it has not got though later ones have come.
    skipped: Vec<u64>,
    lost: u64,
    /// It was asked whether it is still served.
    pub(super) owed: bool,
}

/// The record of a whole run.
pub(super) struct Ledger {
    pub(super) now: Tick,
    pub(super) choices: Choices,
    pub(super) reactors: usize,
    pub(super) calm: bool,
    /// From then on nothing is under way any more that was said before the calm.
    pub(super) settled_at: Tick,
    pub(super) stopping: bool,
    pub(super) stopped: bool,
    pub(super) records: Vec<Record>,
    pub(super) conns: Vec<(Conn, usize)>,
    /// The number of the latest call.
    calls: u64,
    /// Publishes that were refused: nobody may get them.
    refused: BTreeSet<u64>,
    /// Those that were taken, and may be refused yet: whether somebody has got them.
    deferred: BTreeMap<u64, bool>,
    pub(super) jobs: (u64, u64),
    pub(super) laters: HashMap<Later, usize>,
    /// Connections that were reported closed by a reactor that drains.
    pub(super) ended_draining: u64,
    pub(super) report: ManyReport,
    trace: Option<Trace>,
}

/// The ledger as handlers, peers and the run itself share it.
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
    pub(super) fn new(
        choices: Choices,
        peers: usize,
        reactors: usize,
        trace: Option<Trace>,
    ) -> Self {
        Self {
            now: 0,
            choices,
            reactors,
            calm: false,
            settled_at: Tick::MAX,
            stopping: false,
            stopped: false,
            records: (0..peers).map(|_| Record::default()).collect(),
            conns: Vec::new(),
            calls: 0,
            refused: BTreeSet::new(),
            deferred: BTreeMap::new(),
            jobs: (0, 0),
            laters: HashMap::new(),
            ended_draining: 0,
            report: ManyReport::default(),
            trace,
        }
    }

    /// Adds a line to the trace, if there is one.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace(&format!("{:>7} {}", self.now, line()));
        }
    }

    /// The number of a call.
    pub(super) fn call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    /// A connection at random, perhaps one that is long gone, of whatever reactor.
    pub(super) fn any_conn(&mut self) -> Option<(Conn, usize)> {
        let at = self.choices.below(self.conns.len());
        self.conns.get(at).copied()
    }

    pub(super) fn opened(&mut self, peer: usize, conn: Conn) {
        let record = &mut self.records[peer];
        assert!(!record.opened, "peer {peer}: opened twice");
        (record.opened, record.conn) = (true, Some(conn));
        self.conns.push((conn, peer));
        self.note(|| format!("peer {peer}: open, {conn:?}"));
    }

    pub(super) fn closed(&mut self, peer: usize, closed: &Closed<'_>) {
        self.note(|| format!("peer {peer}: {closed:?}"));
        let record = &mut self.records[peer];
        assert!(record.opened && !record.closed, "peer {peer}: a close without an open");
        record.closed = true;
        record.joined.clear();
        record.dropped = u64::from(closed.dropped);
        let in_order = closed.error.is_none() && closed.cause == Cause::PeerClose;
        record.in_order = in_order && !record.ended_by_us;
    }

    /// Something was published, with what the call has come to. `deferred`: that it was refused is
    /// told later, by a count.
    pub(super) fn published(
        &mut self,
        topic: &'static str,
        number: u64,
        except: Option<usize>,
        done: Result<(), CallError>,
        deferred: bool,
    ) {
        self.note(|| format!("{number} on {topic} but to {except:?}: {done:?}"));
        match done {
            Ok(()) if deferred => _ = self.deferred.insert(number, false),
            Ok(()) => {}
            Err(CallError::MailboxFull | CallError::Stopped) => {
                self.report.refused += 1;
                self.refused.insert(number);
                return;
            }
            Err(error) => panic!("publish refused with {error:?}"),
        }
        for (peer, record) in self.records.iter_mut().enumerate() {
            let is_member = record.joined.contains(topic) && Some(peer) != except;
            if is_member {
                record.due.insert((topic, number));
            }
        }
    }

    /// A thread has sent something, with what the call has come to.
    pub(super) fn sent(
        &mut self,
        sender: usize,
        peer: usize,
        number: u64,
        done: Result<(), CallError>,
    ) {
        self.note(|| format!("{number} of {sender} to peer {peer}: {done:?}"));
        match done {
            Ok(()) => self.records[peer].sent.entry(sender).or_default().push_back(number),
            Err(CallError::MailboxFull) => self.report.refused += 1,
            Err(CallError::Gone | CallError::Stopped | CallError::Send(_)) => {}
            Err(error) => panic!("peer {peer}: send refused with {error:?}"),
        }
    }

    /// A peer has received a message that says what it is.
    pub(super) fn received(&mut self, peer: usize, text: &str) {
        self.note(|| format!("peer {peer}: received {}", &text[..text.len().min(30)]));
        let mut words = text.split(' ');
        let (kind, of) = (words.next(), words.next().unwrap_or_default());
        let number = words.next().and_then(|number| number.parse().ok());
        match (kind, number) {
            (Some("published"), Some(number)) => self.heard(peer, of, number),
            (Some("sent"), Some(number)) => {
                let sender: usize = of.parse().expect("a sender");
                let sent = self.records[peer].sent.entry(sender).or_default();
                let at = sent.iter().position(|&sent| sent == number);
                let at = at.unwrap_or_else(|| panic!("peer {peer}: {text:?}, and not {sent:?}"));
                sent.drain(..=at);
                self.records[peer].lost += at as u64;
                self.report.forwarded += 1;
            }
            _ => panic!("peer {peer}: received {text:?}"),
        }
    }

    fn heard(&mut self, peer: usize, topic: &str, number: u64) {
        assert!(!self.refused.contains(&number), "peer {peer}: {number} was refused");
        if let Some(came) = self.deferred.get_mut(&number) {
            *came = true;
        }
        let topic = TOPICS.into_iter().find(|name| *name == topic).expect("a topic");
        let record = &mut self.records[peer];
        let latest = record.latest.insert(topic, number).unwrap_or(0);
        assert!(latest < number, "peer {peer}: {number} on {topic} has come behind {latest}");
        let due = record.due.remove(&(topic, number));
        assert!(due, "peer {peer}: {number} on {topic} has come unasked");
        let before: Vec<_> = record.due.range((topic, 0)..(topic, number)).copied().collect();
        for one in before {
            record.due.remove(&one);
            record.skipped.push(one.1);
        }
        self.report.published += 1;
    }

    /// All is over: what did not come is told.
    pub(super) fn settle(&mut self, stats: &Stats) {
        let Self { records, deferred, report, .. } = self;
        let refused = stats.publish_refused > 0;
        for (peer, record) in records.iter().enumerate() {
            assert_eq!(record.opened, record.closed, "peer {peer}: open without close");
            assert!(record.joined.is_empty(), "peer {peer}: a member for ever");
            if !record.in_order {
                continue;
            }
            let due = record.due.iter().map(|(_, number)| *number);
            let missing = due.chain(record.skipped.iter().copied());
            // Of those that a full mailbox may have refused afterwards nobody has got any.
            let came = |number: &u64| deferred.get(number).is_none_or(|came| *came || !refused);
            let missing = missing.filter(came).count() as u64;
            let unsent: usize = record.sent.values().map(VecDeque::len).sum();
            let lost = missing + record.lost + unsent as u64;
            let told = record.dropped;
            assert!(lost <= told, "peer {peer}: {lost} did not come, {told} told: {record:?}");
            report.settled += 1;
            report.lost += lost;
        }
        assert_eq!(self.jobs.0, self.jobs.1, "jobs lost or run twice");
        assert!(self.laters.is_empty(), "left for later, and nobody was told: {:?}", self.laters);
        self.report.jobs = self.jobs.0;
    }
}
