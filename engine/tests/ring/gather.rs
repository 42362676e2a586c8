//! `coalesce`: completions that are gathered before they wake the reactor, and for how long.

use crate::harness::{PATIENCE, config, listener, wakers};
use ringws_engine::ring::{Completion, Kernel, KernelConfig, Token, Tuning, Uring};
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough to be told from what a busy machine adds.
const COALESCE: Duration = Duration::from_millis(200);
/// What a busy machine may add.
const LATE: Duration = Duration::from_millis(150);
/// With the kernel's minimum wait, and with two waits instead.
const WAYS: [bool; 2] = [false, true];

/// A ring that gathers for `coalesce`, and connections that it receives from.
fn served(coalesce: Duration, no_min_wait: bool, count: usize) -> (Uring, Vec<TcpStream>) {
    let (listener, address) = listener();
    let config = KernelConfig { coalesce, ..config(vec![listener]) };
    let tuning = Tuning { no_min_wait, ..Tuning::default() };
    let mut kernel = Uring::tuned(config, &tuning).expect("io_uring");
    let connect = |_| TcpStream::connect(address).expect("connected");
    let streams: Vec<TcpStream> = (0..count).map(connect).collect();
    (0..count).for_each(|_| kernel.accept(0));
    let mut slot = 0;
    while (slot as usize) < count {
        let mut completions = Vec::new();
        kernel.wait(Some(PATIENCE), &mut completions).expect("the ring works");
        for completion in completions {
            let Completion::Accepted { result, .. } = completion else { continue };
            kernel.receive(result.expect("accepted").socket, Token { slot, generation: 1 });
            slot += 1;
        }
    }
    kernel.wait(Some(Duration::ZERO), &mut Vec::new()).expect("the ring works");
    (kernel, streams)
}

/// Waits until `count` receives have brought something; how often it was woken for them.
fn waits_for(kernel: &mut Uring, count: usize) -> usize {
    let (mut came, mut waits, start) = (0, 0, Instant::now());
    while came < count {
        assert!(start.elapsed() < PATIENCE, "{came} of {count} have come");
        let mut completions = Vec::new();
        kernel.wait(Some(PATIENCE), &mut completions).expect("the ring works");
        waits += 1;
        for completion in completions {
            let Completion::Received { result, .. } = completion else { continue };
            kernel.release(result.expect("received").expect("bytes"));
            came += 1;
        }
    }
    waits
}

/// A byte from each, one after the other.
fn spaced(mut streams: Vec<TcpStream>, pause: Duration) -> thread::JoinHandle<Vec<TcpStream>> {
    thread::spawn(move || {
        for stream in &mut streams {
            thread::sleep(pause);
            stream.write_all(b"x").expect("written");
        }
        streams
    })
}

#[test]
fn fewer_wakes_bring_as_many_messages() {
    let pause = Duration::from_millis(5);
    let (mut kernel, streams) = served(Duration::ZERO, false, 16);
    let writer = spaced(streams, pause);
    let each = waits_for(&mut kernel, 16);
    writer.join().expect("written");
    for no_min_wait in WAYS {
        let (mut kernel, streams) = served(COALESCE, no_min_wait, 16);
        let writer = spaced(streams, pause);
        let gathered = waits_for(&mut kernel, 16);
        writer.join().expect("written");
        assert!(gathered * 2 <= each, "{gathered} waits instead of {each}");
    }
}

#[test]
fn a_lone_message_waits_for_no_longer_than_asked() {
    for no_min_wait in WAYS {
        let (mut kernel, mut streams) = served(COALESCE, no_min_wait, 1);
        let start = Instant::now();
        streams[0].write_all(b"x").expect("written");
        waits_for(&mut kernel, 1);
        let took = start.elapsed();
        assert!(took + LATE / 10 > COALESCE && took < COALESCE + LATE, "{took:?}");
        // Whoever comes when all have slept for longer than that waits for nobody.
        let writer = thread::spawn(move || {
            thread::sleep(COALESCE + LATE);
            let start = Instant::now();
            streams[0].write_all(b"x").expect("written");
            (start, streams)
        });
        waits_for(&mut kernel, 1);
        let now = Instant::now();
        let (start, _streams) = writer.join().expect("written");
        assert!(now - start < LATE, "{:?}", now - start);
    }
}

#[test]
fn a_timeout_and_other_threads_are_heard() {
    for no_min_wait in WAYS {
        let wakers = wakers(1);
        let long = Duration::from_secs(1);
        let config =
            KernelConfig { coalesce: long, wakers: Arc::clone(&wakers), ..config(Vec::new()) };
        let tuning = Tuning { no_min_wait, ..Tuning::default() };
        let mut kernel = Uring::tuned(config, &tuning).expect("io_uring");
        let start = Instant::now();
        let timeout = Duration::from_millis(50);
        kernel.wait(Some(timeout), &mut Vec::new()).expect("the ring works");
        let took = start.elapsed();
        assert!(took >= timeout && took < timeout + LATE, "{took:?}");
        // A wake waits as long as any event, also where nothing else would ever end the wait.
        wakers[0].wake();
        let (start, mut completions) = (Instant::now(), Vec::new());
        kernel.wait(None, &mut completions).expect("the ring works");
        assert!(matches!(completions[..], [Completion::Woken]), "{completions:?}");
        assert!(start.elapsed() < long + LATE, "{:?}", start.elapsed());
    }
}

#[test]
fn an_idle_reactor_sleeps_on() {
    for no_min_wait in WAYS {
        let wakers = wakers(1);
        let coalesce = Duration::from_millis(1);
        let config = KernelConfig { coalesce, wakers: Arc::clone(&wakers), ..config(Vec::new()) };
        let tuning = Tuning { no_min_wait, ..Tuning::default() };
        let mut kernel = Uring::tuned(config, &tuning).expect("io_uring");
        let writer = thread::spawn(move || {
            thread::sleep(COALESCE);
            wakers[0].wake();
        });
        let before = kernel.stats().enters;
        let mut completions = Vec::new();
        while completions.is_empty() {
            kernel.wait(None, &mut completions).expect("the ring works");
        }
        let enters = kernel.stats().enters - before;
        assert!(enters <= 3, "{enters} system calls to sleep once");
        writer.join().expect("woken");
    }
}

#[test]
fn many_end_the_wait_before_its_time() {
    for no_min_wait in WAYS {
        let (mut kernel, mut streams) = served(Duration::from_secs(1), no_min_wait, 64);
        for stream in &mut streams {
            stream.write_all(b"x").expect("written");
        }
        let start = Instant::now();
        waits_for(&mut kernel, 64);
        assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    }
}
