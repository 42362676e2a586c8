//! The thread that talks to the broker: it waits for its socket and for the engine at once, and is
//! never kept from receiving by what it cannot send.

use super::home::Home;
use super::link::{Link, dial, is_connected, resolve};
use super::online::Online;
use crate::broker::{Call, Port};
use crate::resolve::Resolver;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Calls of the engine that are carried out before the socket gets its turn.
const CALLS_MAX: usize = 1_024;

/// What is queued when the engine ends is waited for no longer than this.
const STOP_WITHIN: Duration = Duration::from_secs(2);

type Wake = Arc<dyn Fn() + Send + Sync>;

/// What the engine's calls have come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calls {
    /// There are none now.
    None,
    /// There may be more.
    More,
    /// More must wait until the broker has taken some of what is queued for it.
    Blocked,
    /// Nothing is left to do.
    Ended,
}

/// The client of a broker.
pub(super) struct Client {
    home: Home,
    link: Link,
    port: Port,
    resolver: Resolver,
    bell: Arc<OwnedFd>,
    wake: Wake,
    stopping: bool,
    /// The broker has so long to take what it must before the engine's end.
    stop_by: Option<Instant>,
}

impl Client {
    /// Connects to nobody before it runs.
    pub(super) fn new(home: Home, mut port: Port, bell: OwnedFd) -> Self {
        let bell = Arc::new(bell);
        let rung = Arc::clone(&bell);
        let wake: Wake = Arc::new(move || {
            // It fails only when it was rung 2^64 times before.
            let _ = rustix::io::write(&*rung, &1_u64.to_ne_bytes());
        });
        port.on_wake(Arc::clone(&wake));
        let link = Link::Pause { until: Instant::now() };
        let resolver = Resolver::default();
        Self { home, link, port, resolver, bell, wake, stopping: false, stop_by: None }
    }

    /// Until the engine has ended.
    pub(super) fn run(mut self) {
        let mut until = Instant::now();
        loop {
            let ready = self.wait(until);
            let now = Instant::now();
            let mut at_once = false;
            match self.progress(ready, now) {
                Ok(more) => at_once |= more,
                Err(why) => self.lose(&why, now),
            }
            let calls = self.calls(now);
            if calls == Calls::Ended || self.stop_by.is_some_and(|by| now >= by) {
                return;
            }
            at_once |= calls == Calls::More;
            match self.flush(now) {
                Ok((again, has_room)) => {
                    at_once |= calls == Calls::Blocked && has_room;
                    until = again;
                }
                Err(why) => {
                    self.lose(&why, now);
                    until = now;
                }
            }
            if self.stopping && !matches!(self.link, Link::Online(_)) {
                return;
            }
            if self.port.is_stopping() {
                until = until.min(*self.stop_by.get_or_insert(now + STOP_WITHIN));
            }
            until = self.port.deadline().map_or(until, |deadline| deadline.min(until));
            if at_once {
                until = now;
            }
        }
    }

    /// Until the engine wants something, the socket can do something, or it is time. What the
    /// socket can do.
    fn wait(&self, until: Instant) -> PollFlags {
        let mut events = PollFlags::IN;
        let socket = match &self.link {
            Link::Pause { .. } | Link::Resolving { .. } => None,
            Link::Connecting { socket, .. } => {
                events = PollFlags::OUT;
                Some(socket.as_fd())
            }
            Link::Online(online) => {
                if online.stream.wants_write(&online.session.output) {
                    events |= PollFlags::OUT;
                }
                Some(online.stream.socket.as_fd())
            }
        };
        let mut fds = vec![PollFd::new(&*self.bell, PollFlags::IN)];
        fds.extend(socket.as_ref().map(|socket| PollFd::new(socket, events)));
        let timeout = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: timeout.as_secs().min(3_600).cast_signed(),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // Interrupted or out of memory: as if nothing had happened.
        let _ = poll(&mut fds, Some(&timeout));
        if !fds[0].revents().is_empty() {
            let _ = rustix::io::read(&*self.bell, &mut [0; 8]);
        }
        fds.get(1).map_or(PollFlags::empty(), PollFd::revents)
    }

    /// Whether there is more to do at once.
    fn progress(&mut self, ready: PollFlags, now: Instant) -> Result<bool, String> {
        let timeout = self.home.options.connect_timeout;
        let late = || Err(format!("no connection within {} ms", timeout.as_millis()));
        match &mut self.link {
            Link::Pause { until } if now < *until => {}
            Link::Pause { .. } => {
                let address = &self.home.server.address;
                let by = now + timeout;
                self.link = resolve(&self.resolver, address, by, Arc::clone(&self.wake))?;
            }
            Link::Resolving { answer, by } => {
                let found = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
                match found {
                    Some(Ok(addresses)) => self.link = dial(addresses, *by)?,
                    Some(Err(why)) => return Err(why.to_string()),
                    None if now >= *by => return Err("its name was not found in time".into()),
                    None => {}
                }
            }
            Link::Connecting { by, .. } if ready.is_empty() => {
                if now >= *by {
                    return late();
                }
            }
            Link::Connecting { socket, others, by, .. } => {
                if let Err(why) = is_connected(socket) {
                    self.link = dial(std::mem::take(others), *by).map_err(|_| why)?;
                    return Ok(false);
                }
                let (socket, by) = (socket.try_clone().map_err(|e| e.to_string())?, *by);
                let online = Online::new(TcpStream::from(socket), &self.home, by, now);
                self.link = Link::Online(Box::new(online));
                return Ok(true);
            }
            Link::Online(online) => return online.read(&mut self.home, now),
        }
        Ok(false)
    }

    /// What the engine wants.
    fn calls(&mut self, now: Instant) -> Calls {
        for _ in 0..CALLS_MAX {
            let mut online = match &mut self.link {
                Link::Online(online) => Some(online),
                _ => None,
            };
            if let Some(online) = &mut online {
                let session = &mut online.session;
                if session.is_leaving() {
                    return Calls::None;
                }
                if !session.subscribe(&self.home.interests, now) || !session.has_room() {
                    return Calls::Blocked;
                }
            }
            match self.port.next_call() {
                None => return Calls::None,
                Some(Call::Interest { topic, on: true }) => {
                    self.home.interests.begin(topic);
                }
                Some(Call::Interest { topic, on: false }) => {
                    if let Some(sid) = self.home.interests.end(&topic)
                        && let Some(online) = online
                    {
                        online.session.unsubscribe(sid);
                    }
                }
                Some(Call::Send { topic, frame }) => {
                    let sent = online
                        .filter(|online| online.session.is_up())
                        .is_some_and(|online| online.session.publish(&topic, &frame));
                    // What is not is found missing.
                    let counters = self.home.inbound.counters();
                    if sent {
                        counters.nats_frames_out.add(1);
                        counters.nats_bytes_out.add(frame.len() as u64);
                    }
                }
                Some(Call::Stop) => {
                    self.stopping = true;
                    match online.filter(|online| online.session.is_up()) {
                        Some(online) => online.leave(now),
                        None => return Calls::Ended,
                    }
                }
            }
        }
        Calls::More
    }

    /// Sends what can be sent; when to come again, and whether there is room for more.
    fn flush(&mut self, now: Instant) -> Result<(Instant, bool), String> {
        match &mut self.link {
            Link::Pause { until } => Ok((*until, true)),
            Link::Resolving { by, .. } | Link::Connecting { by, .. } => Ok((*by, true)),
            Link::Online(online) => {
                let again = online.on_time(&self.home, now)?;
                online.stream.write(&mut online.session.output)?;
                Ok((again, online.session.has_room()))
            }
        }
    }

    fn lose(&mut self, why: &str, now: Instant) {
        let leaving = match &self.link {
            Link::Online(online) => online.session.is_leaving(),
            _ => false,
        };
        let until = self.home.lost(why, leaving, now);
        self.link = Link::Pause { until };
    }
}

/// What wakes the thread.
///
/// # Errors
/// No descriptor is left.
pub(super) fn bell() -> rustix::io::Result<OwnedFd> {
    eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)
}

/// Of `getrandom`: which server is tried when.
pub(super) fn random() -> u64 {
    let mut bytes = [0; 8];
    crate::random::fill_random(&mut bytes);
    u64::from_ne_bytes(bytes)
}
