//! The new process: takes connections over.

use super::SuccessionError;
use super::own::{Own, Predecessor};
use super::relay::Relay;
use super::wire::{self, Described};
use crate::reactor::log::Level;
use crate::reactor::{Carried, Order, Takes};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// How long a record may take that has begun.
const RECORD: Duration = Duration::from_secs(10);

/// The thread that does it.
pub(crate) struct Taker {
    own: Arc<Own>,
    predecessor: Predecessor,
    /// For each endpoint and route of the predecessor, the endpoint and the number of ours.
    ours: Vec<Option<(u16, u32)>>,
}

impl Taker {
    pub(crate) fn new(own: Arc<Own>, predecessor: Predecessor) -> Self {
        let theirs: Vec<Described> =
            predecessor.endpoints.iter().map(|(one, ..)| one.clone()).collect();
        let numbers = Own::numbered(&own.endpoints);
        let ours = Own::numbered(&theirs).into_iter().map(|(home, route)| {
            let (endpoint, _, used) = predecessor.endpoints.get(home)?;
            let home = (*used)?;
            let route = match route {
                None => None,
                Some(route) => {
                    let pattern = endpoint.routes.get(route)?;
                    let routes = &own.endpoints.get(home)?.routes;
                    Some(routes.iter().position(|one| one == pattern)?)
                }
            };
            let number = numbers.iter().position(|one| *one == (home, route))?;
            Some((home as u16, number as u32))
        });
        let ours = ours.collect();
        Self { own, predecessor, ours }
    }

    /// Until the predecessor has ended.
    pub(crate) fn run(mut self) {
        let relay = Arc::clone(&self.predecessor.relay);
        std::thread::scope(|scope| {
            self.take_all_over(|| Relay::spawn(scope, || relay.pump()));
            // What is published over there by those that are left comes here, and the other way.
            while relay.receive(RECORD, || true).is_ok() {}
            relay.hang_up();
            relay.close();
        });
    }

    fn take_all_over(&mut self, begin: impl FnOnce() -> Result<(), SuccessionError>) {
        let (mut taken, mut refused) = (0, 0);
        let outcome = self.take_over(begin, &mut taken, &mut refused);
        match outcome {
            Ok(()) => self.own.line(
                Level::Info,
                format_args!("{taken} connections were taken over, {refused} were not"),
            ),
            Err(why) => {
                self.predecessor.relay.hang_up();
                self.own.line(
                    Level::Warn,
                    format_args!("{why}: {taken} connections were taken over, no more will be"),
                );
            }
        }
    }

    fn take_over(
        &mut self,
        begin: impl FnOnce() -> Result<(), SuccessionError>,
        taken: &mut u64,
        refused: &mut u64,
    ) -> Result<(), SuccessionError> {
        let takes = self
            .ours
            .iter()
            .map(|ours| ours.and_then(|(_, number)| self.own.takes.get(number as usize).copied()));
        let takes: Vec<Takes> = takes.map(Option::unwrap_or_default).collect();
        // Sockets of endpoints that are no more are nobody's from here on.
        self.predecessor.endpoints.iter_mut().for_each(|(_, sockets, _)| sockets.clear());
        let relay = Arc::clone(&self.predecessor.relay);
        relay.send_first(wire::READY, &wire::ready(&takes))?;
        begin()?;
        loop {
            let record = relay.receive(RECORD, || self.own.handle.stop_word() == 0)?;
            match (record.kind, record.fd) {
                (wire::END, None) => {
                    self.own.handle.crossings().all_have_moved(relay.lane());
                    return Ok(());
                }
                (wire::QUIET, None) => self.accept_anew(),
                (wire::CONNECTION, Some(socket)) => {
                    let (number, mut carried, left) = wire::read_connection(&record.body)?;
                    let crossings = self.own.handle.crossings();
                    carried.seam =
                        left.and_then(|left| crossings.seam(relay.lane(), left.cut, left.was));
                    let is_taken = self.take(number, carried, socket)?;
                    *if is_taken { &mut *taken } else { &mut *refused } += 1;
                }
                _ => return Err(SuccessionError::Malformed("a record of no kind")),
            }
        }
    }

    fn accept_anew(&self) {
        for reactor in 0..self.own.handle.reactors() {
            // One that has ended accepts nobody.
            let _ = self.own.handle.order(reactor, Order::AcceptAnew);
        }
    }

    /// What is answered comes before the connection is touched.
    fn take(
        &self,
        number: u64,
        mut carried: Carried,
        socket: OwnedFd,
    ) -> Result<bool, SuccessionError> {
        let ours = self.ours.get(carried.endpoint as usize).copied().flatten();
        let place = ours.and_then(|(home, number)| {
            carried.endpoint = number;
            self.own.handle.keep_place(home, Box::new(carried), socket).ok()
        });
        let answer = wire::answer(number, place.is_some());
        self.predecessor.relay.send(wire::ANSWER, &answer, None)?;
        let is_taken = place.is_some();
        place.into_iter().for_each(|place| self.own.handle.take_place(place));
        Ok(is_taken)
    }
}
