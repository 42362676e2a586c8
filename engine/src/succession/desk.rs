//! What an engine knows of its predecessor and of its successor.

use super::line::Line;
use super::own::{Own, Predecessor};
use super::relay::Relay;
use super::wire::{self, Described};
use super::{HandOver, SuccessionError, giver::Giver, taker::Taker};
use crate::config::{Address, Endpoint};
use crate::engine::{Engine, Error};
use crate::listen::{Listening, SocketFile, listen, listen_on};
use crate::reactor::log::Log;
use crate::reactor::{Handle, Takes};
use crate::ring::{Errno, signals};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Both.
#[derive(Default)]
pub(crate) struct Desk {
    endpoints: Mutex<Vec<(Described, Vec<Takes>)>>,
    predecessor: Mutex<Option<Predecessor>>,
    own: OnceLock<Arc<Own>>,
    hands_over: Arc<AtomicBool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    files: Arc<Mutex<Vec<SocketFile>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// Hears what the predecessor has, and gets its listening sockets.
    pub(crate) fn greet(
        &self,
        from: OwnedFd,
        within: Duration,
        handle: &Handle,
    ) -> Result<(), SuccessionError> {
        let line = Line::new(from).map_err(|(why, _)| why)?;
        let until = Instant::now() + within;
        let hello = line.receive(until)?;
        if hello.kind != wire::HELLO {
            return Err(SuccessionError::Malformed("no greeting"));
        }
        let (endpoints, listeners, bus) = wire::read_hello(&hello.body)?;
        let mut endpoints: Vec<_> =
            endpoints.into_iter().map(|one| (one, Vec::new(), None)).collect();
        for _ in 0..listeners {
            let record = line.receive(until)?;
            let (wire::LISTENER, Some(socket), [a, b]) = (record.kind, record.fd, &record.body[..])
            else {
                return Err(SuccessionError::Malformed("no listening socket"));
            };
            let of = usize::from(u16::from_le_bytes([*a, *b]));
            let (_, sockets, _) =
                endpoints.get_mut(of).ok_or(SuccessionError::Malformed("of no endpoint"))?;
            sockets.push(socket);
        }
        let relay = Arc::new(Relay::new(line, handle.clone()));
        // Before anybody can publish.
        relay.begin(bus);
        *lock(&self.predecessor) = Some(Predecessor { relay, endpoints });
        Ok(())
    }

    /// Listens, with the sockets of the predecessor where that has been asked for the same.
    pub(crate) fn listen(&self, at: &Endpoint, reactors: u32) -> Result<Listening, Error> {
        let number = lock(&self.endpoints).len();
        let listening = match self.inherit(at, number) {
            Some(sockets) if !sockets.is_empty() => listen_on(at, &sockets, reactors)?,
            _ => listen(at, reactors)?,
        };
        let routes = at.routes.iter().map(|route| route.pattern.clone()).collect();
        let any = at.tls.is_none();
        let limits = [&at.limits].into_iter().chain(at.routes.iter().map(|route| &route.limits));
        let takes = limits.map(|limits| Takes { any, deflated: limits.deflate.is_some() });
        let takes = takes.collect();
        lock(&self.endpoints).push((Described { place: place_of(at), routes }, takes));
        Ok(listening)
    }

    /// The sockets that the predecessor has for the endpoint; none for one whose sockets the
    /// application gives us itself.
    fn inherit(&self, at: &Endpoint, number: usize) -> Option<Vec<OwnedFd>> {
        let mut predecessor = lock(&self.predecessor);
        let endpoints = &mut predecessor.as_mut()?.endpoints;
        let place = place_of(at);
        let (_, sockets, ours) =
            endpoints.iter_mut().find(|(one, _, ours)| ours.is_none() && one.place == place)?;
        *ours = Some(number);
        let sockets = std::mem::take(sockets);
        let given = matches!(at.address, Address::Given(_) | Address::Systemd(_));
        (!given).then_some(sockets)
    }

    /// The files of Unix sockets that it listens on.
    pub(crate) fn files(&self) -> MutexGuard<'_, Vec<SocketFile>> {
        lock(&self.files)
    }

    /// The engine is about to accept.
    pub(crate) fn prepare(&self) {
        let relay = lock(&self.predecessor).as_ref().map(|of| Arc::clone(&of.relay));
        if let Some(relay) = relay
            && relay.ask_for_lane().is_err()
        {
            // Its thread will find that out, and say so.
            relay.hang_up();
        }
    }

    /// The engine runs: from here on it takes over, and may be handed over.
    pub(crate) fn begin(&self, handle: &Handle, log: Option<Log>) -> Result<(), Error> {
        let (endpoints, each): (Vec<_>, Vec<_>) =
            std::mem::take(&mut *lock(&self.endpoints)).into_iter().unzip();
        let homes = each.iter().filter_map(|takes| takes.first()).copied();
        let routes = each.iter().flat_map(|takes| takes.iter().skip(1)).copied();
        let takes = homes.chain(routes).collect();
        let (files, handle) = (Arc::clone(&self.files), handle.clone());
        let own = Arc::new(Own { endpoints, takes, files, handle, log });
        // Once, as the start itself.
        let _ = self.own.set(Arc::clone(&own));
        match lock(&self.predecessor).take() {
            Some(predecessor) => self.spawn(move || Taker::new(own, predecessor).run()),
            None => Ok(()),
        }
    }

    /// Begins to hand over. The socket comes back where that is not possible.
    pub(crate) fn hand_over(&self, to: OwnedFd, how: HandOver) -> Result<(), (Error, OwnedFd)> {
        let state = |why, to| (Error::State(why), to);
        if let Err(error) = how.drain.check() {
            return Err((Error::Invalid(error.to_string()), to));
        }
        let Some(own) = self.own.get().filter(|own| own.handle.stop_word() == 0).cloned() else {
            return Err(state("not started, or it drains or stops", to));
        };
        if self.hands_over.swap(true, Ordering::AcqRel) {
            return Err(state("it is being handed over", to));
        }
        let refuse = |why, to| {
            self.hands_over.store(false, Ordering::Release);
            Err((why, to))
        };
        // A thread that could not be made would not give the socket back.
        let (give, given) = channel::<Giver>();
        if let Err(error) = self.spawn(move || given.iter().for_each(Giver::run)) {
            return refuse(error, to);
        }
        match Line::new(to) {
            Err((why, to)) => refuse(why.into(), to),
            Ok(line) => {
                // It is there, and waits.
                let _ = give.send(Giver::new(own, line, how, Arc::clone(&self.hands_over)));
                Ok(())
            }
        }
    }

    fn spawn(&self, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = signals::blocked(|| Builder::new().name("rws-pass".into()).spawn(run));
        let thread = thread.map_err(|error| Error::System {
            what: "making a thread".into(),
            source: Errno::from_io_error(&error).unwrap_or(Errno::AGAIN),
        })?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Waits for the threads, after the reactors have ended.
    pub(crate) fn join(&self) {
        if let Some(own) = self.own.get() {
            own.handle.crossings().close_all();
        }
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // What it panicked with was told.
            let _ = thread.join();
        }
    }
}

impl Engine {
    /// Succeeds the process at the other end of a connected Unix socket, which is told so by
    /// [`Engine::hand_over`]: before the first [`Engine::listen`]. Those listen with its sockets
    /// then, where it was asked for the same address, so that no connection is refused between the
    /// two; and with the start its open connections come: see
    /// [`Handler::on_taken_over`](crate::reactor::Handler::on_taken_over). Waits for its greeting,
    /// for so long at most.
    ///
    /// # Errors
    /// [`Error::Succession`]; then the engine is as before, and so is the other process.
    /// [`Error::State`] after the start and in a callback.
    pub fn take_over(&self, from: OwnedFd, within: Duration) -> Result<(), Error> {
        self.must_be_new()?;
        Ok(self.desk.greet(from, within, self.handle())?)
    }

    /// Hands the engine over to the process at the other end of a connected Unix socket, which
    /// calls [`Engine::take_over`]; returns at once, any thread. When that has started it accepts
    /// in our place, on the same sockets, and the open connections go there whose handlers let
    /// them: see [`Handler::on_hand_over`](crate::reactor::Handler::on_hand_over). Then those that
    /// are left are drained, and the engine ends. Where the other process fails before that, this
    /// one goes on with what it has, and may be handed over again.
    ///
    /// # Errors
    /// With the socket: [`Error::Succession`] for one that is none, or of another user;
    /// [`Error::State`] before the start, in a drain or a stop, or while it is handed over;
    /// [`Error::Invalid`] for the drain.
    pub fn hand_over(&self, to: OwnedFd, how: HandOver) -> Result<(), (Error, OwnedFd)> {
        self.desk.hand_over(to, how)
    }
}

/// Where an endpoint listens, in words that both processes have for it.
fn place_of(at: &Endpoint) -> String {
    match &at.address {
        Address::Any => format!("any:{}", at.port),
        Address::Ip(ip) => format!("{ip}:{}", at.port),
        Address::Unix(path) => format!("unix:{}", path.display()),
        Address::Given(_) => "given".into(),
        Address::Systemd(name) => format!("systemd:{}", name.as_deref().unwrap_or_default()),
        Address::Nowhere => "nowhere".into(),
    }
}
