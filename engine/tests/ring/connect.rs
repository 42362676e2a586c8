//! Connections that the ring makes.

use crate::harness::{PATIENCE, config, kernel, kinds, listener};
use ringws_engine::memory::Batch;
use ringws_engine::ring::{Completion, Errno, Kernel, KernelConfig, Socket, SocketOptions, Token};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

fn token(slot: u32) -> Token {
    Token { slot, generation: 1 }
}

/// Turns until something has come.
fn next(kernel: &mut dyn Kernel) -> Completion {
    let (mut all, start) = (Vec::new(), Instant::now());
    while all.is_empty() {
        assert!(start.elapsed() < PATIENCE, "nothing comes");
        kernel.wait(Some(PATIENCE / 10), &mut all).expect("the ring goes on");
    }
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn connected(kernel: &mut dyn Kernel, slot: u32) -> Result<Socket, Errno> {
    match next(kernel) {
        Completion::Connected { attempt, result } => {
            assert_eq!(attempt, token(slot));
            result
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_socket_sends_and_is_closed() {
    for (kind, sqpoll, tuning) in kinds() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut config = config(vec![listener().0]);
        config.sqpoll = sqpoll;
        let mut kernel = kernel(config, &tuning);
        kernel.connect(token(7), server.local_addr().expect("bound"), SocketOptions::default());
        let socket = connected(&mut *kernel, 7).expect(kind);
        let (mut peer, _) = server.accept().expect("somebody has come");
        kernel.send(socket, token(1), Batch::new(b"hello".to_vec()));
        assert!(matches!(next(&mut *kernel), Completion::Sent { result: Ok(5), .. }), "{kind}");
        kernel.close(socket, token(1));
        assert!(matches!(next(&mut *kernel), Completion::Closed { .. }), "{kind}");
        let mut read = Vec::new();
        peer.read_to_end(&mut read).expect("closed in order");
        assert_eq!(read, b"hello", "{kind}");
    }
}

/// A peer that does not read is sent so much at once only if the kernel takes it all: the ring's
/// sends end when it has.
#[test]
fn a_socket_has_the_options_it_was_asked_with() {
    let system =
        SocketOptions { unsent_max: u32::MAX, kernel_send_max: 0, ..SocketOptions::default() };
    let bounds = [
        (system, true),
        (SocketOptions { unsent_max: 32 << 10, ..system }, false),
        (SocketOptions { kernel_send_max: 32 << 10, ..system }, false),
    ];
    for (kind, sqpoll, tuning) in kinds() {
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut config = config(vec![listener().0]);
        config.sqpoll = sqpoll;
        let mut kernel = kernel(config, &tuning);
        for (slot, (socket_options, all)) in (0..).zip(bounds) {
            kernel.connect(token(slot), server.local_addr().expect("bound"), socket_options);
            let socket = connected(&mut *kernel, slot).expect(kind);
            let (mut peer, _) = server.accept().expect("somebody has come");
            kernel.send(socket, token(slot), Batch::new(vec![7; 900 << 10]));
            let mut sent = Vec::new();
            kernel.wait(Some(PATIENCE / 100), &mut sent).expect("the ring goes on");
            let took = |sent: &Completion| match sent {
                Completion::Sent { result: Ok(bytes), .. } => *bytes,
                other => panic!("{kind}: {other:?}"),
            };
            let mut left = 900 << 10;
            assert_eq!(sent.first().map(took) == Some(left), all, "{kind}: {socket_options:?}");
            // Once there is room, the rest goes.
            let mut read = vec![0; left];
            let reader = std::thread::spawn(move || peer.read_exact(&mut read).map(|()| peer));
            loop {
                left -= took(&sent.pop().unwrap_or_else(|| next(&mut *kernel)));
                if left == 0 {
                    break;
                }
                assert_eq!(kind, "epoll", "a ring goes on by itself");
                kernel.send(socket, token(slot), Batch::new(vec![7; left]));
            }
            reader.join().expect("a reader").expect("all of it");
            kernel.close(socket, token(slot));
            assert!(matches!(next(&mut *kernel), Completion::Closed { .. }), "{kind}");
        }
    }
}

#[test]
fn a_refusal_is_told_and_leaves_nothing() {
    for (kind, sqpoll, tuning) in kinds() {
        let gone = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
        let mut config = config(vec![listener().0]);
        config.sqpoll = sqpoll;
        // Sockets that were not given back would soon be too many.
        config.sockets_max = 4;
        let mut kernel = kernel(config, &tuning);
        for slot in 0..600 {
            kernel.connect(token(slot), gone, SocketOptions::default());
            assert_eq!(connected(&mut *kernel, slot), Err(Errno::CONNREFUSED), "{kind}");
        }
    }
}

#[test]
fn a_cancelled_attempt_ends_once() {
    for (kind, sqpoll, tuning) in kinds() {
        // Its backlog is full: nobody is answered any more.
        let server = TcpListener::bind("127.0.0.1:0").expect("a port");
        rustix::net::listen(&server, 0).expect("a short backlog");
        let at = server.local_addr().expect("bound");
        let mut config = config(vec![listener().0]);
        config.sqpoll = sqpoll;
        let mut kernel = kernel(config, &tuning);
        kernel.connect(token(0), at, SocketOptions::default());
        connected(&mut *kernel, 0).expect("the only one that the backlog has room for");
        kernel.connect(token(1), at, SocketOptions::default());
        let mut none = Vec::new();
        kernel.wait(Some(PATIENCE / 300), &mut none).expect("the ring goes on");
        assert!(none.is_empty(), "{kind}: {none:?}");
        kernel.cancel_connect(token(1));
        assert_eq!(connected(&mut *kernel, 1), Err(Errno::CANCELED), "{kind}");
        // At once: before there is a socket.
        kernel.connect(token(2), at, SocketOptions::default());
        kernel.cancel_connect(token(2));
        assert_eq!(connected(&mut *kernel, 2), Err(Errno::CANCELED), "{kind}");
        // What has ended can be cancelled in vain, and a ring dropped with attempts out.
        kernel.cancel_connect(token(2));
        kernel.connect(token(3), at, SocketOptions::default());
        kernel.wait(Some(PATIENCE / 300), &mut none).expect("the ring goes on");
        assert!(none.is_empty(), "{kind}: {none:?}");
    }
}

#[test]
fn both_families() {
    let Ok(server) = TcpListener::bind("[::1]:0") else { return };
    let at: SocketAddr = server.local_addr().expect("bound");
    for (kind, sqpoll, tuning) in kinds() {
        let config = KernelConfig { sqpoll, ..config(vec![listener().0]) };
        let mut kernel = kernel(config, &tuning);
        kernel.connect(token(0), at, SocketOptions::default());
        connected(&mut *kernel, 0).expect(kind);
        assert!(server.accept().expect("somebody has come").1.is_ipv6());
    }
}
