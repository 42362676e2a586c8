//! Looking names up: a few threads, made when there is work and ended when there is none, because
//! the system's resolver blocks.

use crate::reactor::{Busy, Found, Resolve};
use crate::ring::signals;
use std::collections::VecDeque;
use std::net::ToSocketAddrs;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Threads at the same time.
const THREADS_MAX: usize = 4;
/// Names that may wait for one.
const QUEUE_MAX: usize = 4_096;
/// A thread without work ends after so long.
const IDLE: Duration = Duration::from_secs(5);

type Job = (String, u16, Box<dyn FnOnce(Found) + Send>);

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    /// Which threads there are, by their numbers.
    threads: [bool; THREADS_MAX],
    idle: usize,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until there is nothing to do, or nobody wants it.
    fn serve(&self, number: usize) {
        let mut state = self.lock();
        loop {
            if state.closed {
                break;
            }
            if let Some((name, port, found)) = state.queue.pop_front() {
                drop(state);
                let looked_up = (name.as_str(), port).to_socket_addrs();
                found(looked_up.map(Iterator::collect).map_err(|e| e.to_string().into()));
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let (woken, waited) =
                self.work.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads[number] = false;
    }
}

/// The threads of an engine. They are not waited for: a lookup can take a minute, and cannot be
/// broken off.
#[derive(Default)]
pub(crate) struct Resolver(Arc<Shared>);

impl Resolve for Resolver {
    fn resolve(
        &self,
        name: &str,
        port: u16,
        found: Box<dyn FnOnce(Found) + Send>,
    ) -> Result<(), Busy> {
        let mut state = self.0.lock();
        if state.queue.len() >= QUEUE_MAX {
            return Err(Busy);
        }
        state.queue.push_back((name.to_owned(), port, found));
        let vacant = state.threads.iter().position(|there| !there);
        if state.idle < state.queue.len()
            && let Some(number) = vacant
        {
            let shared = Arc::clone(&self.0);
            // As those of the reactors: the host's signals are for the host's threads.
            let made = signals::blocked(|| {
                let thread = thread::Builder::new().name(format!("rws-dns-{number}"));
                thread.spawn(move || shared.serve(number))
            });
            state.threads[number] = made.is_ok();
            if made.is_err() && !state.threads.contains(&true) {
                state.queue.pop_back();
                return Err(Busy);
            }
        }
        drop(state);
        self.0.work.notify_one();
        Ok(())
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        let left = std::mem::take(&mut state.queue);
        drop(state);
        // What they hold may lead back here.
        drop(left);
        self.0.work.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn names_are_found_or_not() {
        let resolver = Resolver::default();
        let (tell, told) = channel();
        for name in ["localhost", "127.0.0.1", "no-such-name.invalid"] {
            let tell = tell.clone();
            let found = move |found: Found| tell.send((name, found)).expect("somebody listens");
            resolver.resolve(name, 7, Box::new(found)).expect("room");
        }
        for _ in 0..3 {
            let (name, found) = told.recv_timeout(Duration::from_secs(60)).expect("an answer");
            let loopback = found.map(|all| all.iter().all(|at| at.ip().is_loopback()));
            assert_eq!(loopback.ok(), (name != "no-such-name.invalid").then_some(true), "{name}");
        }
    }

    /// RFC 6874: zones are for the system to know.
    #[test]
    fn zones_become_numbers() {
        let resolver = Resolver::default();
        let (tell, told) = channel();
        for (name, scope) in [("fe80::1%1", Some(1)), ("fe80::1%lo", Some(1)), ("fe80::1%no", None)]
        {
            let tell = tell.clone();
            let found = move |found: Found| tell.send(found).expect("somebody listens");
            resolver.resolve(name, 7, Box::new(found)).expect("room");
            let found = told.recv_timeout(Duration::from_secs(60)).expect("an answer");
            let first = found.ok().and_then(|all| all.first().copied());
            let scopes = first.map(|at| match at {
                std::net::SocketAddr::V6(at) => at.scope_id(),
                at => panic!("{at}"),
            });
            assert_eq!(scopes, scope, "{name}");
        }
    }

    #[test]
    fn the_queue_has_an_end() {
        let resolver = Resolver::default();
        let (tell, told) = channel::<()>();
        let told = Arc::new(Mutex::new(told));
        let mut taken = 0;
        while taken < 2 * QUEUE_MAX {
            let told = Arc::clone(&told);
            let hold = move |_: Found| drop(told.lock().map(|told| told.recv()));
            match resolver.resolve("127.0.0.1", 1, Box::new(hold)) {
                Ok(()) => taken += 1,
                Err(Busy) => break,
            }
        }
        assert!((QUEUE_MAX..=QUEUE_MAX + THREADS_MAX).contains(&taken), "{taken}");
        // Ends at once, whatever the threads are at.
        drop(resolver);
        drop(tell);
    }
}
