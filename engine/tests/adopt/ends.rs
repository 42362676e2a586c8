//! Each connection that was taken is told of once: open and closed, or never open; and its
//! descriptor is closed, however the engine ends.

use super::running::{reactors, until};
use super::service::{Door, adopting, open_sockets};
use ringws_engine::reactor::{Adopt, AdoptError, CallError};
use ringws_kit::{Client, TEXT, accept, ask, read_to_end, request};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One that was open is closed, one that was refused was never open.
#[test]
fn each_is_told_of_once() {
    let (engine, echo) = adopting(reactors(1));
    let door = Door::new();
    for (number, target) in ["/", "/no"].into_iter().enumerate() {
        let (mut client, server) = door.pair();
        engine.adopt(echo.watched(Adopt::new(server, 0), number)).expect("taken");
        let head = ask(&mut client, target, &[]).expect("an answer");
        assert_eq!(head.starts_with("HTTP/1.1 101 "), number == 0, "{head}");
    }
    // Its request is none.
    let (mut client, server) = door.pair();
    let adopt = Adopt { early: b"nonsense\r\n\r\n".as_slice().into(), ..Adopt::new(server, 0) };
    engine.adopt(echo.watched(adopt, 2)).expect("taken");
    assert!(read_to_end(&mut client).starts_with(b"HTTP/1.1 400 "));
    // It goes before it has asked.
    let (client, server) = door.pair();
    engine.adopt(echo.watched(Adopt::new(server, 0), 3)).expect("taken");
    drop(client);
    until(&engine, "all have gone", |stats| stats.connections == 0);
    let mut seen = echo.seen();
    seen.unopened.sort_unstable();
    assert_eq!((&*seen.opens, seen.closes, &*seen.unopened), (&[(0, 0)][..], 1, &[1, 2, 3][..]));
}

/// Connections are handed over while the engine stops, early or late: none is lost, none leaks.
#[test]
fn a_stop_in_between_loses_nobody() {
    let door = Door::new();
    for round in 0..20u64 {
        let (engine, echo) = adopting(reactors(2));
        let stop = AtomicBool::new(false);
        let (mut clients, mut taken) = (Vec::new(), Vec::new());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
                engine.stop(Duration::from_millis(round % 3 * 100));
            });
            for number in 0.. {
                stop.store(number > 10 * round as usize, Ordering::Release);
                let (mut client, mut server) = door.pair();
                client.write_all(request("/", &[]).as_bytes()).expect("room");
                let upgraded = number % 2 == 1;
                if upgraded {
                    accept(&mut server);
                }
                let adopt = Adopt { upgraded, ..Adopt::new(server, 0) };
                match engine.adopt(echo.watched(adopt, number)) {
                    Ok(()) => taken.push(number),
                    Err(refused) => {
                        assert_eq!(refused.why, AdoptError::Call(CallError::Stopped));
                        break;
                    }
                }
                clients.push(client);
            }
        });
        engine.wait().expect("an orderly end");
        // Each has its end.
        clients.iter_mut().for_each(|client| _ = read_to_end(client));
        let seen = echo.seen();
        let opened = seen.opens.iter().map(|open| open.0);
        let mut told: Vec<usize> = opened.chain(seen.unopened.iter().copied()).collect();
        told.sort_unstable();
        assert_eq!(told, taken, "round {round}");
        assert_eq!(seen.opens.len(), seen.closes);
        drop(seen);
        drop((engine, clients));
        assert_eq!(open_sockets(door.port()), 0, "round {round}");
    }
}

/// A drain that still serves those that are open does so with adopted ones, too.
#[test]
fn it_is_served_and_closed_as_others_are() {
    let (engine, echo) = adopting(reactors(1));
    let door = Door::new();
    let (mut client, mut server) = door.pair();
    client.write_all(request("/", &[]).as_bytes()).expect("room");
    accept(&mut server);
    engine.adopt(Adopt { upgraded: true, ..Adopt::new(server, 0) }).expect("taken");
    ringws_kit::read_head(&mut client).expect("an answer");
    let (second, server) = door.pair();
    engine.adopt(Adopt::new(server, 0)).expect("taken");
    let mut second = Client::open(second);
    second.echoes(TEXT, "x");
    engine.stop(Duration::from_secs(5));
    for client in [&mut client, &mut second.stream] {
        let (first, reason) = ringws_kit::read_frame(client).expect("a Close");
        assert_eq!((first, &reason[..2]), (ringws_kit::CLOSE, &1001u16.to_be_bytes()[..]));
        client.write_all(&ringws_kit::frame(ringws_kit::CLOSE, &reason)).expect("it waits");
        assert_eq!(read_to_end(client), b"");
    }
    engine.wait().expect("an orderly end");
    let seen = echo.seen();
    assert_eq!((seen.opens.len(), seen.closes), (2, 2));
}
