//! Cancels, resets, shutdowns and closes against data in flight.

use crate::harness::{Echo, PATIENCE, config, kinds, listener};
use ringws_engine::ring::{Errno, Tuning};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Makes the close of a socket a reset.
fn reset_on_close(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).expect("set");
}

/// A server of one of the kinds, and a client that connects to it.
fn with_client(sqpoll: bool, tuning: &Tuning) -> (Echo, TcpStream) {
    let (fd, address) = listener();
    let mut config = config(vec![fd]);
    config.sqpoll = sqpoll;
    let echo = Echo::new(config, tuning);
    (echo, TcpStream::connect(address).expect("connected"))
}

/// A client that writes without end until `stop`.
fn flood(address: SocketAddr, stop: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.set_write_timeout(Some(Duration::from_millis(50))).expect("set");
        let mut sent = 0;
        while !stop.load(Ordering::Relaxed) {
            sent += stream.write(&[7; 1_000]).unwrap_or(0) as u64;
        }
        sent
    })
}

/// The kernel receives so much in one go, then comes back to it: a reset that is behind the rest
/// must be seen all the same, though nothing wakes anybody any more.
#[test]
fn a_reset_behind_more_than_one_go_is_seen() {
    for (name, sqpoll, tuning) in kinds() {
        for pieces in [1, 33, 34, 50, 70, 120] {
            let (fd, address) = listener();
            let mut config = config(vec![fd]);
            config.sqpoll = sqpoll;
            (config.recv_buffers, config.recv_buffer_size) = (256, 64);
            let mut echo = Echo::new(config, &tuning);
            echo.mute = true;
            let mut client = TcpStream::connect(address).expect("connected");
            client.write_all(&vec![7; pieces * 64 + 10]).expect("written");
            reset_on_close(&client);
            drop(client);
            let begin = Instant::now();
            echo.run(|echo| echo.closed == 1 || begin.elapsed() > Duration::from_secs(3));
            assert_eq!(echo.closed, 1, "{name}: the end behind {pieces} pieces is not seen");
        }
    }
}

/// Cancels and arms again, thousands of times, while data flows and buffers run out: each receive
/// ends exactly once (the harness checks), and every byte arrives.
#[test]
fn cancel_races_with_data_and_with_starvation() {
    for (buffers, ordinary) in [(64, false), (16, false), (16, true)] {
        let (fd, address) = listener();
        let mut config = config(vec![fd]);
        (config.recv_buffers, config.recv_buffer_size) = (buffers, 64);
        let mut echo = Echo::new(config, &Tuning { ordinary, ..Tuning::default() });
        (echo.mute, echo.rearm) = (true, true);
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..3).map(|_| flood(address, &stop)).collect();
        echo.run(|echo| echo.accepted == 3);
        let mut cancels = 0;
        for turn in 0..3_000 {
            for index in 0..3 {
                let token = echo.token(index);
                let slot = &mut echo.slots[index];
                if slot.receiving && !slot.cancelling && (turn + index) % 2 == 0 {
                    slot.cancelling = true;
                    cancels += 1;
                    echo.kernel.cancel_receive(token);
                }
            }
            echo.turn(Some(Duration::ZERO));
        }
        stop.store(true, Ordering::Relaxed);
        echo.run(|echo| echo.closed == 3);
        let sent: u64 = clients.into_iter().map(|client| client.join().expect("flooded")).sum();
        let received: u64 = echo.slots.iter().map(|slot| slot.received).sum();
        assert_eq!(received, sent);
        assert!(cancels > 500, "{cancels}");
        assert!(buffers > 16 || echo.kernel.counts().buffers_exhausted > 0);
        assert_eq!(echo.errors, []);
    }
}

#[test]
fn resets_in_flight_end_both_directions() {
    for (name, sqpoll, tuning) in kinds() {
        let (fd, address) = listener();
        let mut config = config(vec![fd]);
        config.sqpoll = sqpoll;
        let mut echo = Echo::new(config, &tuning);
        let clients = thread::spawn(move || {
            for round in 0..300 {
                let mut stream = TcpStream::connect(address).expect("connected");
                reset_on_close(&stream);
                stream.write_all(&[1; 40_000]).expect("written");
                if round % 3 == 0 {
                    let _ = stream.read(&mut [0; 1_000]);
                }
            }
        });
        echo.run(|echo| echo.closed == 300);
        clients.join().expect(name);
        let usual = [Errno::CONNRESET, Errno::PIPE, Errno::CANCELED];
        assert!(echo.errors.iter().all(|errno| usual.contains(errno)), "{name} {:?}", echo.errors);
        assert!(!echo.errors.is_empty(), "{name}");
    }
}

/// Shuts each socket down and closes it in the same turn while new connections take the slots that
/// come free: a shutdown that ran late would hit one of those.
#[test]
fn a_shutdown_never_hits_the_next_tenant_of_a_slot() {
    for op_shutdown in [false, true] {
        let (fd, address) = listener();
        let tuning = Tuning { op_shutdown, ..Tuning::default() };
        let mut echo = Echo::new(config(vec![fd]), &tuning);
        echo.shut = true;
        let clients: Vec<_> = (0..4u8)
            .map(|kind| {
                thread::spawn(move || {
                    for _ in 0..500 {
                        let mut stream = TcpStream::connect(address).expect("connected");
                        stream.write_all(&[kind]).expect("written");
                        let mut back = [9];
                        stream.read_exact(&mut back).expect("not shut down for another");
                        assert_eq!(back, [kind]);
                    }
                })
            })
            .collect();
        echo.run(|echo| echo.closed == 2_000);
        clients.into_iter().for_each(|client| client.join().expect("echoed"));
        assert!(echo.slots.len() < 1_000, "slots are used again");
        assert_eq!(echo.errors, []);
    }
}

#[test]
fn shutdown_ends_a_send_to_a_peer_that_does_not_read() {
    for (name, sqpoll, tuning) in kinds() {
        let (mut echo, stream) = with_client(sqpoll, &tuning);
        echo.run(|echo| echo.accepted == 1);
        let token = echo.token(0);
        echo.slots[0].out = vec![1; 16 << 20];
        echo.advance(token);
        for _ in 0..5 {
            echo.turn(Some(Duration::from_millis(5)));
        }
        assert!(echo.slots[0].sending && echo.slots[0].receiving, "{name}");
        let socket = echo.slots[0].socket.expect("open");
        echo.kernel.shutdown(socket);
        // The send ends with what it has sent, is tried again by the harness, and fails.
        echo.run(|echo| echo.closed == 1);
        assert_eq!(echo.errors, [Errno::PIPE], "{name}");
        drop(stream);
    }
}

#[test]
fn shutdown_send_ends_one_direction_after_what_was_sent() {
    for (name, sqpoll, tuning) in kinds() {
        let (mut echo, mut stream) = with_client(sqpoll, &tuning);
        stream.write_all(b"one").expect("written");
        echo.run(|echo| echo.slots.first().is_some_and(|slot| slot.received == 3));
        echo.run(|echo| !echo.slots[0].sending);
        let socket = echo.slots[0].socket.expect("open");
        echo.kernel.shutdown_send(socket);
        echo.turn(Some(Duration::from_millis(1)));
        let reader = thread::spawn(move || {
            let mut back = Vec::new();
            stream.read_to_end(&mut back).expect("the end");
            assert_eq!(back, b"one");
            stream.write_all(b"two").expect("the other direction is open");
        });
        echo.mute = true;
        echo.run(|echo| echo.closed == 1);
        reader.join().expect(name);
        assert_eq!(echo.slots[0].received, 6, "{name}");
    }
}

#[test]
fn what_is_handed_over_leaves_before_the_next_wait() {
    for (name, sqpoll, tuning) in kinds() {
        let (mut echo, mut stream) = with_client(sqpoll, &tuning);
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        echo.run(|echo| echo.accepted == 1);
        let token = echo.token(0);
        echo.slots[0].out = b"early".to_vec();
        echo.advance(token);
        echo.kernel.hand_over();
        let mut back = [0; 5];
        stream.read_exact(&mut back).expect(name);
        assert_eq!(&back, b"early", "{name}");
        assert!(echo.slots[0].sending, "{name}: its completion comes with the next wait");
        echo.run(|echo| !echo.slots[0].sending);
    }
}

/// Two have a listening socket. The kernel tells one accept of a connection, that which has waited
/// longest: if it is cancelled before it has looked, nobody else would be told.
#[test]
fn a_cancelled_accept_leaves_nobody_waiting() {
    for (name, sqpoll, tuning) in kinds() {
        let (fd, address) = listener();
        let mut two = [fd.try_clone().expect("a descriptor"), fd].map(|fd| {
            let mut config = config(vec![fd]);
            config.sqpoll = sqpoll;
            let mut echo = Echo::new(config, &tuning);
            echo.turn(Some(Duration::from_millis(5)));
            echo
        });
        for round in 0..20 {
            let client = TcpStream::connect(address).expect("connected");
            // Its accepts were there first, and one of them has been told by now.
            two[0].kernel.cancel_accept(0);
            let accepted = |two: &[Echo; 2]| two[0].accepted + two[1].accepted;
            let deadline = Instant::now() + PATIENCE / 6;
            while accepted(&two) <= round && Instant::now() < deadline {
                two.iter_mut().for_each(|echo| echo.turn(Some(Duration::from_millis(1))));
            }
            assert_eq!(accepted(&two), round + 1, "{name}: one of both has it");
            let first = &mut two[0];
            first.accepting = false;
            while first.out > 0 {
                first.kernel.cancel_accept(0);
                first.turn(Some(Duration::from_millis(1)));
            }
            // From here on the first has waited less long.
            first.accepting = true;
            first.accept();
            first.turn(Some(Duration::from_millis(5)));
            two.swap(0, 1);
            drop(client);
        }
        for mut echo in two {
            assert!(echo.accept_errors.iter().all(|&errno| errno == Errno::CANCELED), "{name}");
            echo.run(|echo| echo.closed == echo.accepted);
        }
    }
}

/// An accept that is cancelled while connections come in: none is lost without a trace, and the
/// end comes last and once.
#[test]
fn cancelling_an_accept_races_with_connections() {
    for (name, sqpoll, tuning) in kinds() {
        let (fd, address) = listener();
        let mut config = config(vec![fd]);
        config.sqpoll = sqpoll;
        let mut echo = Echo::new(config, &tuning);
        let clients = thread::spawn(move || {
            for _ in 0..500 {
                let mut stream = TcpStream::connect(address).expect("connected");
                stream.write_all(b"x").expect("written");
                assert_eq!(stream.read(&mut [0]).expect("echoed"), 1);
            }
        });
        let mut cancelled = 0;
        echo.run(|echo| {
            if echo.accepting && echo.out > 0 && cancelled < 300 {
                cancelled += 1;
                echo.kernel.cancel_accept(0);
            } else if !echo.accepting && echo.out == 0 {
                echo.accepting = true;
                echo.accept();
            }
            echo.closed == 500
        });
        clients.join().expect(name);
        assert!(echo.accept_errors.iter().all(|&errno| errno == Errno::CANCELED), "{name}");
        assert!(!echo.accept_errors.is_empty(), "{name}");
        echo.accepting = false;
        while echo.out > 0 {
            echo.kernel.cancel_accept(0);
            echo.turn(Some(Duration::from_millis(1)));
        }
        echo.kernel.close_listener(0);
        assert!(TcpStream::connect(address).is_err(), "{name}");
    }
}
