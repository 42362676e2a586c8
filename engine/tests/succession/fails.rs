//! What fails leaves a connection where it was.

use crate::app::{App, Old, at_once, hand_over, pair};
use crate::service::{at, reactors, stats};
use ringws_engine::engine::{Engine, Error};
use ringws_engine::succession::{HandOver, HandedOver, SuccessionError};
use ringws_kit::{Client, TEXT, until};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Hands over to whoever has the other end, which is made by hand.
pub(crate) fn to_nobody(old: &Old, how: HandOver) -> (UnixStream, Receiver<HandedOver>) {
    let (ours, theirs) = pair();
    let (told, said) = channel();
    let on_handed_over: ringws_engine::succession::OnHandedOver =
        Arc::new(move |how: &HandedOver| told.send(*how).expect("heard"));
    let how = HandOver { on_handed_over: Some(on_handed_over), ..how };
    old.engine.hand_over(ours, how).map_err(|(error, _)| error).expect("it runs");
    (UnixStream::from(theirs), said)
}

/// The next record, without its descriptor: its kind and what it says. When the old process says
/// that it accepts nobody any more depends on its reactors: that is passed over.
pub(crate) fn record(line: &mut UnixStream) -> (u8, Vec<u8>) {
    loop {
        let mut head = [0; 8];
        line.read_exact(&mut head).expect("a record");
        let len = u32::from_le_bytes(head[4..].try_into().expect("four bytes"));
        let mut body = vec![0; len as usize];
        line.read_exact(&mut body).expect("all of it");
        if head[0] != QUIET {
            return (head[0], body);
        }
    }
}

fn say(line: &mut UnixStream, kind: u8, body: &[u8]) {
    let [a, b, c, d] = (body.len() as u32).to_le_bytes();
    let head = [kind, 0, 0, 0, a, b, c, d];
    line.write_all(&[&head[..], body].concat()).expect("heard");
}

const HELLO: u8 = 1;
const LISTENER: u8 = 2;
const READY: u8 = 3;
pub(crate) const CONNECTION: u8 = 4;
const ANSWER: u8 = 5;
const QUIET: u8 = 7;
pub(crate) const PUBLISHED: u8 = 8;
const LANE: u8 = 10;

/// Of a connection, of which that was said: whether it is taken.
pub(crate) fn answer(line: &mut UnixStream, connection: &[u8], is_taken: bool) {
    say(line, ANSWER, &[&connection[..8], &[u8::from(is_taken)]].concat());
}

/// Says that it serves the one endpoint.
pub(crate) fn be_ready(line: &mut UnixStream, listeners: usize) {
    be_ready_and(line, listeners, || ());
}

/// The same, with something that happens while it starts.
pub(crate) fn be_ready_and(line: &mut UnixStream, listeners: usize, meanwhile: impl FnOnce()) {
    assert_eq!(record(line).0, HELLO);
    (0..listeners).for_each(|_| assert_eq!(record(line).0, LISTENER));
    say(line, LANE, &[0]);
    assert_eq!(record(line).0, LANE);
    meanwhile();
    say(line, READY, &[1, 0, 0, 0, 1]);
}

/// All that was there goes on, and a second try succeeds.
fn goes_on(
    old: &Old,
    said: &Receiver<HandedOver>,
    clients: &mut [Client],
    next: u64,
) -> HandedOver {
    let told = said.recv().expect("told");
    for client in &mut *clients {
        client.echoes(TEXT, next.to_string());
    }
    Client::connect(old.port).echoes(TEXT, "0");
    let new = hand_over(old, App::default());
    old.engine.wait().expect("it has ended");
    for client in clients {
        client.echoes(TEXT, (next + 1).to_string());
    }
    assert_eq!(stats(&new.engine).taken_over, stats(&old.engine).passed_on - told.back);
    told
}

fn connected(old: &Old, many: usize) -> Vec<Client> {
    let mut all: Vec<Client> = (0..many).map(|_| Client::connect(old.port)).collect();
    all.iter_mut().for_each(|client| client.echoes(TEXT, "0"));
    all
}

#[test]
fn a_successor_that_never_comes_changes_nothing() {
    let old = Old::start(App::default());
    let mut clients = connected(&old, 3);
    let how = HandOver { ready: Duration::from_millis(100), ..at_once() };
    let (line, said) = to_nobody(&old, how);
    let (again, _) = pair();
    let refused = old.engine.hand_over(again, at_once()).map_err(|(error, _)| error);
    assert!(matches!(refused, Err(Error::State(_))), "one at a time");
    let told = goes_on(&old, &said, &mut clients, 1);
    assert_eq!((told.failed, told.passed), (Some(SuccessionError::TimedOut), 0));
    drop(line);
}

#[test]
fn a_successor_that_ends_in_between_leaves_all_where_they_were() {
    let old = Old::start(App::default());
    let mut clients = connected(&old, 3);
    let (mut line, said) = to_nobody(&old, at_once());
    be_ready(&mut line, 2);
    // One is on its way when it ends.
    assert_eq!(record(&mut line).0, CONNECTION);
    drop(line);
    let told = goes_on(&old, &said, &mut clients, 1);
    assert_eq!((told.failed, told.passed), (Some(SuccessionError::Gone), 0));
    assert!((1..=3).contains(&told.back), "{told:?}");
}

/// What it has taken before is its own: nobody serves a connection twice.
#[test]
fn what_was_taken_does_not_come_back() {
    let old = Old::start(App::default());
    let mut clients = connected(&old, 2);
    let (mut line, said) = to_nobody(&old, at_once());
    be_ready(&mut line, 2);
    let (kind, body) = record(&mut line);
    assert_eq!(kind, CONNECTION);
    answer(&mut line, &body, true);
    drop(line);
    let told = said.recv().expect("told");
    assert_eq!((told.failed, told.passed), (Some(SuccessionError::Gone), 1));
    // Nobody has the other end of its socket any more.
    let echoed: Vec<bool> = clients
        .iter_mut()
        .map(|client| {
            client.send(TEXT, "1");
            client.try_receive().is_ok()
        })
        .collect();
    assert_eq!(echoed.iter().filter(|echoed| **echoed).count(), 1, "{echoed:?}");
}

/// A connection that it does not want stays, and is drained.
#[test]
fn what_is_refused_is_drained_here() {
    let old = Old::start(App::default());
    let mut clients = connected(&old, 1);
    let (mut line, said) = to_nobody(&old, at_once());
    be_ready(&mut line, 2);
    let (kind, body) = record(&mut line);
    assert_eq!(kind, CONNECTION);
    answer(&mut line, &body, false);
    clients[0].closed_with(1012);
    let told = said.recv().expect("told");
    assert_eq!((told.failed, told.passed, told.back, told.left), (None, 0, 1, 1));
    assert_eq!(stats(&old.engine).passed_back, 1);
}

/// A successor that says what means nothing is none.
#[test]
fn nonsense_changes_nothing() {
    let mut long = vec![READY, 0, 0, 0];
    long.extend(u32::MAX.to_le_bytes());
    let nonsense: [&[u8]; 5] = [
        &[READY, 0, 0, 0, 4, 0, 0, 0, 9, 0, 0, 0],
        &[ANSWER, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1],
        &[READY, 1, 0, 0, 0, 0, 0, 0],
        &[0xFF; 8],
        &long,
    ];
    for bytes in nonsense {
        let old = Old::start(App::default());
        let mut clients = connected(&old, 1);
        let (mut line, said) = to_nobody(&old, at_once());
        line.write_all(bytes).expect("heard");
        let told = goes_on(&old, &said, &mut clients, 1);
        assert!(matches!(told.failed, Some(SuccessionError::Malformed(_))), "{told:?}");
    }
}

/// An answer to what was never asked.
#[test]
fn an_answer_to_nothing_changes_nothing() {
    let old = Old::start(App::default());
    let mut clients = connected(&old, 1);
    let (mut line, said) = to_nobody(&old, at_once());
    be_ready(&mut line, 2);
    assert_eq!(record(&mut line).0, CONNECTION);
    say(&mut line, ANSWER, &[9, 9, 0, 0, 0, 0, 0, 0, 1]);
    let told = goes_on(&old, &said, &mut clients, 1);
    assert_eq!(told.failed, Some(SuccessionError::Malformed("an answer to nothing")));
    assert_eq!(told.back, 1);
}

fn take_over(greeting: &[u8]) -> SuccessionError {
    let (ours, theirs) = pair();
    UnixStream::from(theirs).write_all(greeting).expect("heard");
    let engine = Engine::new(reactors(1)).expect("an engine");
    let Err(Error::Succession(why)) = engine.take_over(ours, Duration::from_millis(200)) else {
        panic!("a greeting?")
    };
    engine.listen(at(App::default())).expect("it is as before");
    engine.start().expect("it is as before");
    why
}

/// The new process does not believe the old one either.
#[test]
fn a_predecessor_is_not_believed() {
    let hello = |body: &[u8]| [&[HELLO, 0, 0, 0, body.len() as u8, 0, 0, 0][..], body].concat();
    assert_eq!(take_over(&[]), SuccessionError::Gone);
    assert_eq!(take_over(&hello(b"rwsS\x03\0")), SuccessionError::Version(3));
    let malformed: [&[u8]; 5] = [
        &hello(b"http\x02\0"),
        &hello(b"rwsS\x02\0\0\0\0\0\xff\xff"),
        &hello(b"rwsS\x02\0\0\0\0\0\x01\0\xff\xff\xff\xffx"),
        &hello(b"rwsS\x02\0\0\0\0\0\0\0\0more"),
        &[END_OF_ALL, 0, 0, 0, 0, 0, 0, 0],
    ];
    for greeting in malformed {
        let why = take_over(greeting);
        assert!(matches!(why, SuccessionError::Malformed(_)), "{why:?}");
    }
    // A listening socket is announced that does not come.
    let why = take_over(&hello(b"rwsS\x02\0\x01\0\0\0\0\0\0"));
    assert_eq!(why, SuccessionError::Gone);
}

const END_OF_ALL: u8 = 6;

/// What is no Unix socket of the same user is given back.
#[test]
fn strangers_are_refused() {
    let old = Old::start(App::default());
    let refused = |socket: OwnedFd| {
        let (error, _socket) = old.engine.hand_over(socket, at_once()).expect_err("refused");
        error
    };
    let tcp = ringws_kit::tcp(old.port);
    let error = refused(tcp.into());
    assert!(matches!(error, Error::Succession(SuccessionError::NoUnixSocket)), "{error}");
    let file = std::fs::File::open("/dev/null").expect("there");
    let error = refused(file.into());
    assert!(matches!(error, Error::Succession(SuccessionError::Socket(_))), "{error}");
    let early = Engine::new(reactors(1)).expect("an engine");
    let (ours, _theirs) = pair();
    let refused = early.hand_over(ours, at_once()).map_err(|(error, _)| error);
    assert!(matches!(refused, Err(Error::State(_))), "before the start");
    until("still there", || stats(&old.engine).connections <= 1);
}
