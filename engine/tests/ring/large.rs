//! Receives into large buffers: few, taken only when there is something to put into them, and by
//! turns.

use crate::harness::{Echo, Way, config, listener};
use ringws_engine::ring::Tuning;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// Bytes of payload in a large buffer here, and how many bytes fit in one all the same.
const SIZE: u32 = 4_096;
const CAPACITY: u64 = 4_096 + 64;

/// A server with so many large buffers that only counts what it receives into them, and its
/// clients, all of them accepted and waited for.
fn serve(buffers: u16, clients: usize) -> (Echo, Vec<TcpStream>) {
    let (fd, address): (_, SocketAddr) = listener();
    let tuning = Tuning { large: Some((buffers, SIZE)), ..Tuning::default() };
    let mut echo = Echo::new(config(vec![fd]), &tuning);
    echo.ways = vec![Way::Large];
    echo.mute = true;
    let streams = echo.connect(address, clients);
    echo.run(|echo| echo.accepted == clients);
    echo.turn(Some(Duration::from_millis(20)));
    (echo, streams)
}

#[test]
fn who_is_silent_holds_no_buffer() {
    let (mut echo, mut streams) = serve(1, 20);
    for round in 1..=5 {
        streams[7].write_all(&[1; 16]).expect("written");
        echo.run(|echo| echo.slots.iter().map(|slot| slot.received).sum::<u64>() == round * 16);
    }
    assert_eq!(echo.kernel.counts().large_waits, 0, "nobody else has taken the only one");
}

#[test]
fn a_buffer_is_back_at_once_however_little_was_in_it() {
    let (mut echo, mut streams) = serve(1, 20);
    streams.iter_mut().for_each(|stream| stream.write_all(&[1; 16]).expect("written"));
    echo.run(|echo| echo.slots.iter().all(|slot| slot.received == 16));
    assert_eq!(echo.errors, []);
}

#[test]
fn all_who_are_ready_are_received_in_turn() {
    let (mut echo, mut streams) = serve(2, 12);
    let rounds = 5;
    for stream in &mut streams {
        stream.write_all(&vec![2; (rounds * CAPACITY) as usize]).expect("written");
    }
    // So that all of it is there before the first turn: the kernel may take a while.
    thread::sleep(Duration::from_millis(50));
    let mut turns = 0;
    echo.run(|echo| {
        turns += 1;
        let received = || echo.slots.iter().map(|slot| slot.received);
        let (least, most) = (received().min().unwrap_or(0), received().max().unwrap_or(0));
        assert!(most - least <= 2 * CAPACITY, "turn {turns}: one has {least} and one {most}");
        least == rounds * CAPACITY
    });
    assert!(turns > 12, "two at a time: {turns}");
    assert!(echo.kernel.counts().large_waits > 0, "{:?}", echo.kernel.counts());
    assert_eq!((echo.kernel.counts().buffers_exhausted, &echo.errors[..]), (0, &[][..]));
}
