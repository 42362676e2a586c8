//! The old process: hands over.

use super::line::{Line, Record};
use super::own::Own;
use super::relay::Relay;
use super::wire;
use super::{HandOver, HandedOver, SuccessionError};
use crate::reactor::log::Level;
use crate::reactor::{Carried, Order, Takes, Told};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// So many connections of a reactor are on their way at a time.
const WINDOW: u32 = 32;
/// How often is looked whether the engine still runs.
const LOOK: Duration = Duration::from_millis(20);
/// How long a reactor may take for an order, and the other process for an answer.
const PROMPT: Duration = Duration::from_secs(5);

/// A connection that is on its way.
struct Away {
    reactor: u32,
    carried: Box<Carried>,
    socket: OwnedFd,
}

/// The thread that does it.
pub(crate) struct Giver {
    own: Arc<Own>,
    relay: Arc<Relay>,
    how: HandOver,
    busy: Arc<AtomicBool>,
    /// What the other process says, once somebody listens.
    records: Option<Receiver<Result<Record, SuccessionError>>>,
    /// Those that the other process has not answered yet, by their numbers.
    away: HashMap<u64, Away>,
    sent: u64,
    /// Reactors that do not accept any more.
    quiet: u32,
    done: HandedOver,
}

impl Giver {
    pub(crate) fn new(own: Arc<Own>, line: Line, how: HandOver, busy: Arc<AtomicBool>) -> Self {
        let (away, done) = (HashMap::new(), HandedOver::default());
        let relay = Arc::new(Relay::new(line, own.handle.clone()));
        Self { own, relay, how, busy, records: None, away, sent: 0, quiet: 0, done }
    }

    /// Until what is published is nobody's over there any more.
    pub(crate) fn run(self) {
        let relay = Arc::clone(&self.relay);
        std::thread::scope(|scope| {
            let of = &*relay;
            let both = |begin: Sender<Result<Record, SuccessionError>>| {
                Relay::spawn(scope, || of.pump())?;
                Relay::spawn(scope, move || listen(of, &begin))
            };
            self.hand_over_and_tell(both);
        });
    }

    fn hand_over_and_tell(
        mut self,
        both: impl Fn(Sender<Result<Record, SuccessionError>>) -> Result<(), SuccessionError>,
    ) {
        let (to, told) = channel();
        let outcome = self.hand_over(&to, &told, both);
        drop(to);
        match outcome {
            Ok(()) => {
                // They are the other process's to remove.
                let mut files = self.own.files.lock().unwrap_or_else(PoisonError::into_inner);
                files.drain(..).for_each(|file| file.leave());
            }
            Err(why) => self.go_on_as_before(why, &told),
        }
        let HandedOver { failed, passed, back, left } = self.done;
        match failed {
            None => self.own.line(
                Level::Info,
                format_args!("{passed} connections were passed on, {left} are drained"),
            ),
            Some(why) => self.own.line(
                Level::Error,
                format_args!(
                    "{why}: {passed} connections were passed on, {back} came back, and \
                     this process goes on"
                ),
            ),
        }
        // It may be tried again, in there, too.
        self.busy.store(failed.is_none(), Ordering::Release);
        if let Some(on_handed_over) = &self.how.on_handed_over {
            on_handed_over(&self.done);
        }
        if failed.is_none() {
            // Refused where somebody has drained or stopped it meanwhile.
            let _ = self.own.handle.drain(self.how.drain.clone());
        }
    }

    fn hand_over(
        &mut self,
        to: &Sender<Told>,
        told: &Receiver<Told>,
        both: impl Fn(Sender<Result<Record, SuccessionError>>) -> Result<(), SuccessionError>,
    ) -> Result<(), SuccessionError> {
        let takes: Arc<[Takes]> = self.greet(to, told)?.into();
        let lane = self.relay.lane();
        let (begin, records) = channel();
        self.records = Some(records);
        both(begin)?;
        self.order_all(|| Order::Begin(to.clone(), Arc::clone(&takes), lane))?;
        self.order_all(|| Order::More(WINDOW))?;
        self.pass_all(told)?;
        self.order_all(|| Order::Finish)?;
        let until = Instant::now() + PROMPT;
        let mut finished = 0;
        while finished < self.own.handle.reactors() {
            match self.hear(told, until)? {
                Told::Finished(left) => {
                    (finished, self.done.left) = (finished + 1, self.done.left + left)
                }
                other => self.heard(other, &mut HashSet::new())?,
            }
        }
        self.hear_answers()?;
        self.own.handle.crossings().all_have_moved(lane);
        self.relay.send(wire::END, &[], None)
    }

    /// Until the other process is ready.
    fn greet(
        &mut self,
        to: &Sender<Told>,
        told: &Receiver<Told>,
    ) -> Result<Vec<Takes>, SuccessionError> {
        self.order_all(|| Order::Listeners(to.clone()))?;
        let until = Instant::now() + PROMPT;
        let mut listeners = Vec::new();
        let mut known = HashSet::new();
        for _ in 0..self.own.handle.reactors() {
            let Told::Listeners(all) = self.hear(told, until)? else { continue };
            for one in all {
                // Several reactors may have the same socket.
                let file = File::from(one.socket);
                let meta = file.metadata().map_err(|_| SuccessionError::Malformed("no socket"))?;
                if known.insert((meta.dev(), meta.ino())) {
                    listeners.push((one.endpoint, OwnedFd::from(file)));
                }
            }
        }
        let bus = self.own.handle.bus_prefix();
        let hello = wire::hello(&self.own.endpoints, listeners.len(), bus);
        self.relay.send(wire::HELLO, &hello, None)?;
        for (endpoint, socket) in &listeners {
            let body = endpoint.to_le_bytes();
            self.relay.send(wire::LISTENER, &body, Some(socket.as_fd()))?;
        }
        drop(listeners);
        let until = Instant::now() + self.how.ready;
        let lane = self.expect(wire::LANE, until)?;
        self.relay.begin(wire::read_lane(&lane)?);
        self.relay.send_first(wire::LANE, &[])?;
        let ready = self.expect(wire::READY, until)?;
        wire::read_ready(&ready, self.own.takes.len())
    }

    /// The next record, which may be long in coming.
    fn expect(&self, kind: u8, until: Instant) -> Result<Vec<u8>, SuccessionError> {
        let line = &self.relay.line;
        while !line.has_some(Instant::now() + LOOK) {
            self.must_run()?;
            if Instant::now() > until {
                return Err(SuccessionError::TimedOut);
            }
        }
        let record = line.receive(Instant::now() + PROMPT)?;
        let is_it = record.kind == kind && record.fd.is_none();
        is_it.then_some(record.body).ok_or(SuccessionError::Malformed("not ready"))
    }

    /// Until nobody is left who could go, or the time is over.
    fn pass_all(&mut self, told: &Receiver<Told>) -> Result<(), SuccessionError> {
        let until = Instant::now() + self.how.within;
        let reactors = self.own.handle.reactors() as usize;
        let mut nobody = HashSet::new();
        let all = |quiet: u32, nobody: usize| quiet as usize == reactors && nobody == reactors;
        while !all(self.quiet, nobody.len()) && Instant::now() < until {
            match self.hear(told, Instant::now() + LOOK) {
                Ok(one) => self.heard(one, &mut nobody)?,
                Err(SuccessionError::TimedOut) => {}
                Err(why) => return Err(why),
            }
            // All that is there, then all answers.
            while let Ok(one) = told.try_recv() {
                self.heard(one, &mut nobody)?;
            }
            self.hear_answers()?;
        }
        Ok(())
    }

    fn heard(&mut self, told: Told, nobody: &mut HashSet<u32>) -> Result<(), SuccessionError> {
        match told {
            Told::Gone(reactor, carried, socket) => {
                self.sent += 1;
                let record = wire::connection(self.sent, &carried);
                // Noted first: it comes back if it cannot be sent.
                let away = self.away.entry(self.sent).or_insert(Away { reactor, carried, socket });
                let fd = Some(away.socket.as_fd());
                self.relay.send(wire::CONNECTION, &record, fd)?;
            }
            Told::Nobody(reactor) => _ = nobody.insert(reactor),
            Told::Quiet => {
                self.quiet += 1;
                if self.quiet == self.own.handle.reactors() {
                    self.relay.send(wire::QUIET, &[], None)?;
                }
            }
            Told::Listeners(_) | Told::Finished(_) => {}
        }
        Ok(())
    }

    /// Of all that are on their way.
    fn hear_answers(&mut self) -> Result<(), SuccessionError> {
        while !self.away.is_empty() {
            let records = self.records.as_ref().ok_or(SuccessionError::Gone)?;
            let record = records.recv_timeout(PROMPT).map_err(|why| match why {
                RecvTimeoutError::Timeout => SuccessionError::TimedOut,
                RecvTimeoutError::Disconnected => SuccessionError::Gone,
            })??;
            if record.kind != wire::ANSWER {
                return Err(SuccessionError::Malformed("no answer"));
            }
            let (number, is_taken) = wire::read_answer(&record.body)?;
            let away = self.away.remove(&number);
            let away = away.ok_or(SuccessionError::Malformed("an answer to nothing"))?;
            let reactor = away.reactor;
            match is_taken {
                true => self.done.passed += 1,
                false => self.take_back(away),
            }
            // Where it has ended nobody leaves any more.
            let _ = self.own.handle.order(reactor, Order::More(1));
        }
        Ok(())
    }

    /// It goes on here.
    fn take_back(&mut self, away: Away) {
        let Away { mut carried, socket, .. } = away;
        carried.is_back = true;
        let homes = Own::numbered(&self.own.endpoints);
        let home = homes.get(carried.endpoint as usize).map_or(0, |(home, _)| *home as u16);
        let handle = &self.own.handle;
        match handle.keep_place(home, carried, socket) {
            Ok(place) => {
                self.done.back += 1;
                handle.take_place(place);
            }
            Err(why) => self.own.line(
                Level::Error,
                format_args!("a connection could not be taken back, and was closed: {why}"),
            ),
        }
    }

    /// The other process does not succeed this one.
    fn go_on_as_before(&mut self, why: SuccessionError, told: &Receiver<Told>) {
        self.done.failed = Some(why);
        if why == SuccessionError::Stopped {
            // It may be fine: who is on his way is better off there.
            let _ = self.hear_answers();
        }
        // From here on it cannot answer any more, and so touches nobody; what it has answered by
        // now is here.
        self.relay.hang_up();
        let _ = self.hear_answers();
        for away in std::mem::take(&mut self.away).into_values() {
            self.take_back(away);
        }
        // What a reactor has let go until it hears of it; what comes later it takes back itself.
        let _ = self.order_all(|| Order::Stay);
        while let Ok(told) = told.recv() {
            if let Told::Gone(reactor, carried, socket) = told {
                self.take_back(Away { reactor, carried, socket });
            }
        }
        self.relay.close();
    }

    fn order_all(&self, order: impl Fn() -> Order) -> Result<(), SuccessionError> {
        let mut all = 0..self.own.handle.reactors();
        let given = all.try_for_each(|reactor| self.own.handle.order(reactor, order()));
        given.map_err(|_| SuccessionError::Stopped)
    }

    fn must_run(&self) -> Result<(), SuccessionError> {
        match self.own.handle.stop_word() {
            0 => Ok(()),
            _ => Err(SuccessionError::Stopped),
        }
    }

    fn hear(&self, told: &Receiver<Told>, until: Instant) -> Result<Told, SuccessionError> {
        loop {
            self.must_run()?;
            match told.recv_timeout(LOOK.min(until.saturating_duration_since(Instant::now()))) {
                Ok(told) => return Ok(told),
                Err(RecvTimeoutError::Disconnected) => return Err(SuccessionError::Stopped),
                Err(RecvTimeoutError::Timeout) if Instant::now() >= until => {
                    return Err(SuccessionError::TimedOut);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// What the other process says, until it has ended. A thread of its own.
fn listen(relay: &Relay, to: &Sender<Result<Record, SuccessionError>>) {
    loop {
        let record = relay.receive(PROMPT, || true);
        let is_last = record.is_err();
        // Once all have gone nobody wants to hear more.
        let _ = to.send(record);
        if is_last {
            return relay.hang_up();
        }
    }
}
