//! Receives into memory of our own, and moving between the ways to receive.

use crate::harness::{Echo, Way, config, kinds, listener, pattern};
use ringws_engine::ring::{Errno, Tuning};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A client that sends `len` bytes and checks that they come back in order.
fn echoed(address: SocketAddr, seed: u64, len: usize) -> JoinHandle<()> {
    thread::spawn(move || {
        let stream = TcpStream::connect(address).expect("connected");
        let bytes = pattern(seed, len);
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, mut rest) = (&stream, &bytes[..]);
                for size in [1, 700, 20_000].into_iter().cycle() {
                    let (chunk, after) = rest.split_at(rest.len().min(size));
                    stream.write_all(chunk).expect("written");
                    rest = after;
                    if rest.is_empty() {
                        break;
                    }
                }
                stream.shutdown(Shutdown::Write).expect("open");
            });
            let mut back = Vec::new();
            (&stream).read_to_end(&mut back).expect("read");
            assert!(back == bytes, "not what was sent");
        });
    })
}

#[test]
fn every_byte_comes_once_and_in_order_by_heads_and_directly() {
    for (name, sqpoll, tuning) in kinds() {
        let (fd, address) = listener();
        let mut config = config(vec![fd]);
        config.sqpoll = sqpoll;
        let mut echo = Echo::new(config, &tuning);
        echo.ways =
            vec![Way::Once(512), Way::Into(64 << 10), Way::Large, Way::Into(100), Way::Once(1)];
        let clients: Vec<_> = (0..4).map(|seed| echoed(address, seed, 1_000_000)).collect();
        echo.run(|echo| echo.closed == 4);
        clients.into_iter().for_each(|client| client.join().expect(name));
        assert_eq!(echo.errors, [], "{name}");
    }
}

#[test]
fn moving_under_fire_loses_and_repeats_nothing() {
    for (buffers, ordinary) in [(64, false), (16, false), (16, true)] {
        let (fd, address) = listener();
        let mut config = config(vec![fd]);
        (config.recv_buffers, config.recv_buffer_size) = (buffers, 512);
        let mut echo = Echo::new(config, &Tuning { ordinary, ..Tuning::default() });
        echo.ways =
            vec![Way::Multishot, Way::Once(100), Way::Large, Way::Into(9_000), Way::Into(10)];
        echo.rearm = true;
        let clients: Vec<_> = (0..3).map(|seed| echoed(address, seed, 400_000)).collect();
        let mut turn = 0;
        let mut cancels = 0;
        echo.run(|echo| {
            turn += 1;
            // Fewer than three when one was done before another came.
            for index in 0..echo.slots.len() {
                let slot = &mut echo.slots[index];
                // Not once it is over: nobody would join the receive.
                let idle = slot.socket.is_none() || slot.ended;
                if !idle && slot.receiving && !slot.cancelling && (turn + index) % 3 == 0 {
                    slot.cancelling = true;
                    cancels += 1;
                    let token = echo.token(index);
                    echo.kernel.cancel_receive(token);
                }
            }
            echo.closed == 3
        });
        clients.into_iter().for_each(|client| client.join().expect("echoed"));
        assert_eq!(echo.errors, []);
        assert!(cancels > 10, "{cancels}");
    }
}

#[test]
fn a_receive_that_is_cancelled_gives_its_memory_back() {
    for way in [Way::Once(512), Way::Large, Way::Into(4_096)] {
        let (fd, address) = listener();
        let mut echo = Echo::new(config(vec![fd]), &Tuning::default());
        echo.ways = vec![way];
        let stream = TcpStream::connect(address).expect("connected");
        echo.run(|echo| echo.accepted == 1);
        echo.turn(Some(Duration::from_millis(20)));
        assert!(echo.slots[0].receiving, "idle");
        let token = echo.token(0);
        echo.slots[0].cancelling = true;
        echo.kernel.cancel_receive(token);
        echo.run(|echo| echo.closed == 1);
        assert_eq!(echo.errors, [Errno::CANCELED], "{way:?}");
        drop(stream);
    }
}

#[test]
fn receives_of_one_buffer_wait_for_one() {
    let (fd, address) = listener();
    let mut config = config(vec![fd]);
    (config.recv_buffers, config.recv_buffer_size) = (16, 64);
    let mut echo = Echo::new(config, &Tuning::default());
    echo.ways = vec![Way::Once(10)];
    let mut clients = echo.connect(address, 100);
    echo.run(|echo| echo.accepted == 100);
    clients.iter_mut().for_each(|stream| stream.write_all(&[5; 30]).expect("written"));
    echo.run(|echo| echo.slots.iter().all(|slot| slot.received == 30));
    assert!(echo.kernel.counts().buffers_exhausted > 0, "{:?}", echo.kernel.counts());
    assert_eq!(echo.errors, []);
}

#[test]
fn a_ring_that_is_dropped_ends_its_receives_first() {
    let (fd, address) = listener();
    let mut echo = Echo::new(config(vec![fd]), &Tuning::default());
    echo.ways = vec![Way::Into(1 << 20), Way::Once(512), Way::Large];
    let mut clients = echo.connect(address, 20);
    echo.run(|echo| echo.accepted == 20);
    echo.turn(Some(Duration::from_millis(20)));
    clients.iter_mut().for_each(|stream| stream.write_all(&[1; 50_000]).expect("written"));
    drop(echo);
    for stream in &mut clients {
        // The sockets are gone with the ring: the end of the stream, or a reset.
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        let ended = stream.read(&mut [0; 10]);
        let timed_out = |e: &std::io::Error| e.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!ended.as_ref().is_err_and(timed_out), "still open");
    }
}
