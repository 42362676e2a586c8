//! Where io_uring is refused, or lacks what is required: the engine serves by epoll, and says so.

#[path = "ring/child.rs"]
mod child;
#[path = "support/service.rs"]
mod service;

use child::{in_a_child, is_child};
use ringws_engine::config::{Backend, Chosen, Config, Level, Log};
use ringws_engine::engine::{Engine, Error};
use ringws_kit::{Client, Denied, IO_URING, TEXT, deny};
use service::{Echo, at, start, stats};
use std::sync::{Arc, Mutex};

/// `io_uring_register` knows what to do by such numbers; none so high is known yet.
const REGISTERS: std::ops::Range<u32> = 0..40;

/// What the log was told, and by how much.
type Lines = Arc<Mutex<Vec<(Level, String)>>>;

/// An engine that answers, of two reactors: what it has come to, and what it has logged.
fn served(backend: Backend) -> (Chosen, Vec<(Level, String)>) {
    let lines = Lines::default();
    let heard = Arc::clone(&lines);
    let log: Log =
        Arc::new(move |level, line: &str| heard.lock().unwrap().push((level, line.to_owned())));
    let config = Config { reactors: 2, backend, log: Some(log), ..Config::default() };
    let engine = Engine::new(config).unwrap();
    assert_eq!(engine.backend(), None, "nothing is known before the start");
    let port = engine.listen(at(Echo)).unwrap();
    engine.start().unwrap();
    for _ in 0..4 {
        Client::connect(port).echoes(TEXT, "hello");
    }
    let chosen = engine.backend().expect("it was started").clone();
    let reactors = u64::from(chosen.backend == Backend::Epoll) * 2;
    assert_eq!(stats(&engine).epoll_reactors, reactors);
    drop(engine);
    let lines = lines.lock().unwrap().clone();
    (chosen, lines)
}

/// It was refused, for which there is this word, and that is said once.
fn fell_back(word: &str) {
    let (chosen, lines) = served(Backend::Auto);
    assert_eq!(chosen.backend, Backend::Epoll);
    let why = chosen.refused.expect("a reason").text;
    assert!(why.contains(word), "{why}");
    let told: Vec<_> = lines.iter().filter(|(_, line)| line.contains("io_uring")).collect();
    assert_eq!(told.len(), 1, "{lines:?}");
    assert!(told[0].0 == Level::Warn && told[0].1.ends_with(&why), "{told:?}");
}

#[test]
fn where_a_filter_forbids_io_uring_it_is_epoll_that_serves() {
    if !is_child() {
        return in_a_child("where_a_filter_forbids_io_uring_it_is_epoll_that_serves");
    }
    deny(&IO_URING, libc::EPERM);
    fell_back("seccomp");
    // Who wants nothing else is told the same.
    let engine = Engine::new(Config { backend: Backend::Uring, ..service::reactors(1) }).unwrap();
    let Err(Error::Kernel(refused)) = engine.start() else { panic!("there is no io_uring") };
    assert!(refused.text.contains("seccomp"), "{refused}");
}

#[test]
fn where_there_is_no_io_uring_it_is_epoll_that_serves() {
    if !is_child() {
        return in_a_child("where_there_is_no_io_uring_it_is_epoll_that_serves");
    }
    deny(&IO_URING, libc::ENOSYS);
    fell_back("CONFIG_IO_URING");
}

#[test]
fn where_rings_may_be_made_and_not_used_it_is_epoll_that_serves() {
    if !is_child() {
        return in_a_child("where_rings_may_be_made_and_not_used_it_is_epoll_that_serves");
    }
    deny(&[(libc::SYS_io_uring_enter, None)], libc::EPERM);
    fell_back("io_uring_enter");
}

/// Whatever of it is missing, on one of the two it serves.
#[test]
fn whatever_cannot_be_registered_it_serves() {
    if !is_child() {
        return in_a_child("whatever_cannot_be_registered_it_serves");
    }
    let mut chosen = Vec::new();
    for what in REGISTERS {
        // A filter is its thread's for good, and of those that it makes.
        let served = std::thread::spawn(move || {
            let denied: Denied = (libc::SYS_io_uring_register, Some(what));
            deny(&[denied], libc::EINVAL);
            served(Backend::Auto).0
        });
        chosen.push((what, served.join().unwrap_or_else(|_| panic!("without {what}")).backend));
    }
    let epoll = chosen.iter().filter(|(_, backend)| *backend == Backend::Epoll);
    let without: Vec<u32> = epoll.map(|(what, _)| *what).collect();
    // PROBE, FILES2 (the table of direct descriptors), PBUF_RING and the end of one.
    assert_eq!(without, [8, 13, 22, 23]);
}

#[test]
fn what_is_asked_for_is_what_it_is() {
    let of = |backend| served(backend).0;
    let chosen = |backend| Chosen { backend, refused: None };
    assert_eq!(of(Backend::Epoll), chosen(Backend::Epoll));
    assert_eq!(of(Backend::Uring), chosen(Backend::Uring));
    assert_eq!(of(Backend::Auto), chosen(Backend::Uring));
    let (engine, _) = start(service::reactors(1), at(Echo));
    assert!(engine.backend().is_some());
}
