//! Too few buffers, too small queues, too slow readers: nothing is lost.

use crate::harness::{Echo, config, listener, pattern};
use ringws_engine::ring::{Completion, Errno, SocketOptions, Token, Tuning};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

#[test]
fn two_hundred_senders_on_sixteen_buffers_lose_no_byte() {
    let (fd, address) = listener();
    let mut config = config(vec![fd]);
    (config.recv_buffers, config.recv_buffer_size) = (16, 64);
    let mut echo = Echo::new(config, &Tuning::default());
    let clients = thread::spawn(move || {
        let mut all: Vec<_> =
            (0..200).map(|_| TcpStream::connect(address).expect("connected")).collect();
        let bytes: Vec<_> = (0..200).map(|seed| pattern(seed, 5_000)).collect();
        for (stream, bytes) in all.iter_mut().zip(&bytes) {
            stream.write_all(bytes).expect("written");
        }
        for (stream, bytes) in all.iter_mut().zip(&bytes) {
            let mut back = vec![0; bytes.len()];
            stream.read_exact(&mut back).expect("read");
            assert!(back == *bytes, "not what was sent");
        }
    });
    echo.run(|echo| echo.closed == 200);
    clients.join().expect("echoed");
    let stats = echo.kernel.counts();
    assert!(stats.buffers_exhausted > 0 && stats.rearms > 0, "{stats:?}");
    assert_eq!(echo.errors, []);
}

/// Four hundred have 60 KB in their sockets; one sends a few bytes while they are received.
#[test]
fn who_brings_little_does_not_wait_for_all_who_bring_much() {
    const MUCH: usize = 60_000;
    let (fd, address) = listener();
    let mut config = config(vec![fd]);
    (config.recv_buffers, config.recv_buffer_size) = (16, 16_384);
    let mut echo = Echo::new(config, &Tuning::default());
    echo.mute = true;
    let mut many = echo.connect(address, 401);
    let mut one = many.pop().expect("the last one");
    echo.run(|echo| echo.accepted == 401);
    many.iter_mut().for_each(|stream| stream.write_all(&[1; MUCH]).expect("room"));
    let total = |echo: &Echo| echo.slots.iter().map(|slot| slot.received).sum::<u64>();
    // What the others brought meanwhile, each time.
    let mut waits = Vec::new();
    while total(&echo) < 200 * MUCH as u64 {
        one.write_all(b"few").expect("room");
        let (few, before) = (3 * (waits.len() as u64 + 1), total(&echo));
        echo.run(|echo| echo.slots.iter().any(|slot| slot.received == few));
        waits.push(total(&echo) - before);
    }
    // Some thirty times; in one line with them twice. On a busy machine what is written may be
    // there only turns later.
    assert!(waits.len() > 6, "bytes: {waits:?}");
    assert_eq!(echo.errors, []);
}

#[test]
fn the_window_follows_the_need() {
    let (fd, address) = listener();
    let mut config = config(vec![fd]);
    config.recv_buffers = 1_024;
    let mut echo = Echo::new(config, &Tuning::default());
    assert_eq!(echo.kernel.counts().window, 64);
    let mut all = echo.connect(address, 400);
    // In one turn, so that their receives find what came in another.
    echo.accepts = 400;
    echo.accept();
    echo.accepting = false;
    echo.run(|echo| echo.accepted == 400);
    for round in 1..=4 {
        all.iter_mut().for_each(|stream| stream.write_all(b"all at once").expect("written"));
        echo.run(|echo| echo.slots.iter().all(|slot| slot.received == round * 11 && !slot.sending));
    }
    let grown = echo.kernel.counts().window;
    assert!(grown > 64, "{grown}");
    for _ in 0..10_000 {
        echo.turn(Some(Duration::ZERO));
    }
    let shrunk = echo.kernel.counts().window;
    assert!((16..64).contains(&shrunk), "{shrunk}");
    all.iter_mut().for_each(|stream| stream.write_all(b"and again").expect("written"));
    echo.run(|echo| echo.slots.iter().all(|slot| slot.received == 4 * 11 + 9 && !slot.sending));
    assert_eq!(echo.errors, []);
}

/// Eight mebibytes to a reader that takes its time, in one piece and in many.
#[test]
fn a_slow_reader_gets_every_byte_in_order() {
    const LEN: usize = 8 << 20;
    for (pieces, ordinary) in [(0, false), (100_000, false), (0, true)] {
        let (fd, address) = listener();
        let tuning = Tuning { ordinary, ..Tuning::default() };
        let mut echo = Echo::new(config(vec![fd]), &tuning);
        echo.pieces = pieces;
        let bytes = pattern(7, LEN);
        let wanted = bytes.clone();
        let reader = thread::spawn(move || {
            let mut stream = TcpStream::connect(address).expect("connected");
            stream.write_all(b"!").expect("written");
            let mut back = Vec::with_capacity(LEN + 1);
            let mut chunk = vec![0; 300_000];
            while back.len() < LEN + 1 {
                let len = stream.read(&mut chunk).expect("read");
                assert!(len > 0, "ended early");
                back.extend_from_slice(&chunk[..len]);
                thread::sleep(Duration::from_millis(1));
            }
            assert!(back[0] == b'!' && back[1..] == wanted, "not what was sent");
        });
        echo.run(|echo| echo.slots.first().is_some_and(|slot| slot.received == 1));
        echo.slots[0].out.extend_from_slice(&bytes);
        let token = echo.token(0);
        echo.advance(token);
        echo.run(|echo| echo.closed == 1);
        reader.join().expect("read all");
        assert_eq!(echo.errors, []);
    }
}

#[test]
fn completions_without_room_are_neither_lost_nor_late() {
    let (fd, address) = listener();
    let tuning = Tuning { sq_entries: Some(2), cq_entries: Some(4), ..Tuning::default() };
    let mut echo = Echo::new(config(vec![fd]), &tuning);
    let mut all = echo.connect(address, 300);
    echo.run(|echo| echo.accepted == 300);
    for round in 0..20u64 {
        let bytes = pattern(round, 500);
        all.iter_mut().for_each(|stream| stream.write_all(&bytes).expect("written"));
        let want = 500 * (round + 1);
        echo.run(|echo| {
            echo.slots.iter().all(|slot| slot.received == want && slot.out.is_empty())
                && echo.slots.iter().all(|slot| !slot.sending)
        });
        for stream in &mut all {
            let mut back = [0; 500];
            stream.read_exact(&mut back).expect("read");
            assert_eq!(back[..], bytes);
        }
    }
    let stats = echo.kernel.counts();
    assert!(stats.cq_overflow > 0 && stats.flushes > 0, "{stats:?}");
    assert_eq!(echo.errors, []);
}

/// An accept that finds the table full drops the connection it has taken: so none goes out without
/// a place, and who has none waits in the backlog.
#[test]
fn a_full_table_keeps_nobody_from_waiting() {
    let (fd, address) = listener();
    let mut config = config(vec![fd]);
    // The table has a reserve of 256 slots beyond these.
    config.sockets_max = 4;
    let mut echo = Echo::new(config, &Tuning::default());
    assert_eq!(echo.kernel.room(), 253);
    let mut all = echo.connect(address, 300);
    echo.run(|echo| echo.accepted == 261);
    assert_eq!((echo.kernel.room(), echo.out), (0, 0));
    let dialed = Token { slot: 7, generation: 7 };
    echo.kernel.connect(dialed, address, SocketOptions::default());
    let mut completions = Vec::new();
    echo.kernel.wait(Some(Duration::ZERO), &mut completions).expect("the ring works");
    let refused = matches!(
        completions[..],
        [Completion::Connected { result: Err(Errno::NFILE), attempt }] if attempt == dialed
    );
    assert!(refused, "{completions:?}");
    for (index, stream) in all.iter_mut().enumerate() {
        stream.write_all(&[index as u8; 10]).expect("written");
    }
    let late = all.split_off(150);
    drop(all);
    echo.run(|echo| echo.accepted == 300);
    for (index, mut stream) in (150..).zip(late) {
        let mut back = [0; 10];
        let pump = thread::spawn(move || stream.read_exact(&mut back).map(|()| back));
        echo.run(|_| pump.is_finished());
        assert_eq!(pump.join().expect("joined").expect("echoed"), [index as u8; 10]);
    }
    assert_eq!(echo.accept_errors, []);
}
