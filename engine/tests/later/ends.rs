//! Nobody waits any more: who is told, and who keeps what.

use super::service::{Service, Told, WAITING, read_answer};
use ringws_engine::conn::Limits;
use ringws_engine::reactor::LaterError;
use ringws_kit::{Socket, read_to_end, request, reset, tcp};
use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

#[test]
fn a_peer_that_goes_away_ends_the_wait() {
    let service = Service::start(Limits::default());
    for resets in [true, false] {
        // With bytes behind the request, too: no more than the kernel takes, or the end that the
        // peer makes stays with the peer.
        for behind in [0, 20_000] {
            let (mut stream, later) = service.upgrade("/");
            stream.write_all(&vec![b'x'; behind]).unwrap();
            if resets {
                reset(&stream);
                drop(stream);
            } else {
                stream.half_close();
            }
            assert_eq!(service.told(1), [Told::Gone(later, WAITING)]);
            assert_eq!(service.answer(later, 101, 1), Err(LaterError::Gone));
        }
    }
    let (stream, later) = service.ask("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    drop(stream);
    assert_eq!(service.told(1), [Told::Gone(later, 5)], "the endpoint's");
    let stats = service.until("closed", |stats| stats.connections == 0);
    assert_eq!((stats.upgraded, stats.forward_dropped), (0, 0));
}

#[test]
fn a_peer_that_waits_is_held_back() {
    let service = Service::start(Limits::default());
    let (mut stream, later) = service.upgrade("/");
    let mut taken = 0;
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    while let Ok(bytes) = stream.write(&[b'x'; 65_536]) {
        taken += bytes;
        assert!(taken < 64 << 20, "nobody reads it");
    }
    assert!(service.engine.stats(None).unwrap().bytes_copied < 1 << 20, "what is parked");
    assert_eq!(service.answer(later, 403, 0), Ok(()));
    assert!(read_answer(&mut stream).0.starts_with("HTTP/1.1 403 "));
}

#[test]
fn an_answer_has_its_time() {
    let service = Service::start(Limits { handshake_timeout_ms: 300, ..Limits::default() });
    let (mut stream, later) = service.upgrade("/");
    let (head, _) = read_answer(&mut stream);
    assert!(
        head.starts_with("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"),
        "{head}"
    );
    assert_eq!(service.told(1), [Told::Gone(later, WAITING)]);
    assert_eq!(service.answer(later, 101, 1), Err(LaterError::Gone));
    assert_eq!(read_to_end(&mut stream), b"");
    drop(stream);
    let (mut stream, later) = service.ask("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(read_answer(&mut stream).0.starts_with("HTTP/1.1 503 "));
    assert_eq!(service.told(1), [Told::Gone(later, 5)]);
    let stats = service.until("counted", |stats| stats.timeouts + stats.refused >= 1);
    assert_eq!(stats.upgraded, 0);
    let text = service.engine.metrics();
    let late = text.lines().filter(|line| line.contains("reason=\"timeout\""));
    let late: u32 = late.map(|line| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()).sum();
    assert_eq!(late, 2, "{text}");
}

#[test]
fn in_a_stop_nobody_waits() {
    let service = Service::start(Limits::default());
    let (mut stream, later) = service.upgrade("/");
    let (mut second, page) = service.ask("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    service.engine.stop(Duration::from_secs(20));
    for stream in [&mut stream, &mut second] {
        let (head, _) = read_answer(stream);
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert_eq!(read_to_end(stream), b"");
    }
    let told = service.told(2);
    assert!(told.contains(&Told::Gone(later, WAITING)) && told.contains(&Told::Gone(page, 5)));
    drop((stream, second));
    service.engine.wait().unwrap();
    assert_eq!(service.answer(later, 101, 1), Err(LaterError::Gone));
    assert_eq!(service.told(0), []);
}

/// Each answer that was taken is told once, with what it has brought; each that was not has left
/// that to the reactor.
#[test]
fn whoever_is_first_everything_is_told_once() {
    const ROUNDS: usize = 300;
    let service = Service::start(Limits::default());
    let mut owed = HashSet::new();
    std::thread::scope(|scope| {
        let port = service.port;
        scope.spawn(move || {
            for round in 0..ROUNDS {
                let mut stream = tcp(port);
                stream.write_all(request("/", &[]).as_bytes()).unwrap();
                std::thread::sleep(Duration::from_micros(round as u64 % 20 * 25));
                reset(&stream);
            }
        });
        for round in 0..ROUNDS {
            let later = service.next();
            owed.insert(match service.answer(later, 101, 1_000 + round) {
                Ok(()) => 1_000 + round,
                Err(LaterError::Gone) => later.to_bits() as usize,
                Err(error) => panic!("{error}"),
            });
        }
    });
    for told in service.told(ROUNDS) {
        let who = match told {
            Told::Open(user) => user,
            Told::Gone(later, WAITING) => later.to_bits() as usize,
            Told::Gone(_, user) => user,
        };
        assert!(owed.remove(&who), "{told:?}");
    }
    assert!(owed.is_empty(), "{owed:?}");
    assert_eq!(service.told(0), []);
}
