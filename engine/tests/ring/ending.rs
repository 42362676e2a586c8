//! The end of a ring, with everything still in flight.

use crate::child::{in_a_child, is_child};
use crate::harness::{Echo, batch, config, kernel, kinds, listener};
use ringws_engine::ring::{KernelConfig, Tuning};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("listed").count()
}

/// Awaits the end of the listener: a kernel thread (SQPOLL) lets go of it in its own time.
fn refused(address: SocketAddr, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < deadline, "{name}: still listening");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Armed accepts, armed and starved receives, sends to peers that do not read, shutdowns, wakes:
/// dropped between a push and its submission, and after it.
#[test]
fn drop_with_everything_in_flight() {
    for (name, sqpoll, tuning) in kinds() {
        for submit in [false, true] {
            let (fd, address) = listener();
            let mut config = config(vec![fd]);
            (config.sqpoll, config.recv_buffers, config.recv_buffer_size) = (sqpoll, 16, 64);
            let mut echo = Echo::new(config, &tuning);
            echo.mute = true;
            let mut clients = echo.connect(address, 30);
            echo.run(|echo| echo.accepted == 30);
            for (index, client) in clients.iter_mut().enumerate() {
                let (socket, token) = (echo.slots[index].socket.expect("open"), echo.token(index));
                echo.slots[index].sending = true;
                let pieces = if index % 2 == 0 { 0 } else { 100_000 };
                echo.kernel.send(socket, token, batch(vec![5; 8 << 20], pieces));
                client.write_all(&[6; 3_000]).expect("written");
                if index % 3 == 0 {
                    echo.kernel.shutdown_send(socket);
                }
            }
            if submit {
                echo.turn(Some(Duration::ZERO));
            }
            let start = Instant::now();
            drop(echo);
            assert!(start.elapsed() < Duration::from_secs(2), "{name}: {:?}", start.elapsed());
            // Nothing of it lives on: the peers see the end.
            for client in &mut clients {
                client.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
                let mut rest = Vec::new();
                if let Err(error) = client.read_to_end(&mut rest) {
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{name}");
                }
                assert!(rest.iter().all(|&byte| byte == 5), "{name}");
            }
            refused(address, name);
        }
    }
}

#[test]
fn rings_come_and_go_without_leaving_descriptors() {
    if !is_child() {
        in_a_child("ending::child_whose_rings_come_and_go");
    }
}

#[test]
fn child_whose_rings_come_and_go() {
    if !is_child() {
        return;
    }
    let once = |tuning: &Tuning| {
        let (fd, address) = listener();
        let mut echo = Echo::new(config(vec![fd]), tuning);
        let clients = echo.connect(address, 5);
        echo.run(|echo| echo.accepted == 5);
        drop((echo, clients));
    };
    for (_, _, tuning) in kinds() {
        once(&tuning);
        let before = descriptors();
        (0..40).for_each(|_| once(&tuning));
        let after = descriptors();
        // What the kernel ends later, a ring's own descriptor, may still be there; 40 would not.
        assert!(after < before + 3, "{before} {after}");
    }
}

/// An accept that has just seen that somebody waits is, until it has looked, known to no cancel. If
/// another accept is quicker it waits on.
#[test]
fn accepts_that_are_cancelled_at_once_all_end() {
    for (kind, sqpoll, tuning) in kinds() {
        let (fd, address) = listener();
        let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).expect("here")).collect();
        let config = KernelConfig { sqpoll, ..config(vec![fd]) };
        let mut kernel = kernel(config, &tuning);
        (0..32).for_each(|_| kernel.accept(0));
        kernel.cancel_accept(0);
        let (mut ended, mut completions) = (0, Vec::new());
        let deadline = Instant::now() + Duration::from_secs(5);
        while ended < 32 {
            assert!(Instant::now() < deadline, "{kind}: only {ended} have ended");
            let step = Duration::from_millis(20);
            kernel.wait(Some(step), &mut completions).expect("a ring that works");
            ended += completions.drain(..).len();
        }
        drop(clients);
    }
}
