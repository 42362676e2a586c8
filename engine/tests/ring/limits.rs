//! Descriptors that run out. A limit is the whole process's, so each case is a process.

use crate::child::{in_a_child, is_child};
use crate::harness::{Echo, config, listener};
use ringws_engine::ring::{Tuning, Uring};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::time::Duration;

/// No new descriptor from here on but those that are free below `limit`.
fn limit(limit: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum }).expect("lowered");
}

#[test]
fn child_without_descriptors() {
    if !is_child() {
        return;
    }
    let (fd, address) = listener();
    let mut echo = Echo::new(config(vec![fd]), &Tuning::default());
    let mut clients = echo.connect(address, 20);
    let known: Vec<_> = clients.iter().map(|client| client.local_addr().ok()).collect();
    limit(3);
    echo.shut = true;
    echo.run(|echo| echo.accepted == 20);
    assert_eq!(echo.peers, known, "each accept tells its peer");
    assert_eq!(echo.kernel.counts().peers_unknown, 0);
    for (index, client) in clients.iter_mut().enumerate() {
        client.write_all(&[index as u8; 100]).expect("written");
    }
    echo.run(|echo| echo.slots.iter().all(|slot| slot.received == 100 && !slot.sending));
    for (index, client) in clients.iter_mut().enumerate() {
        let mut back = [0; 100];
        client.read_exact(&mut back).expect("echoed");
        assert_eq!(back, [index as u8; 100]);
    }
    // One direction, by the operation that needs no descriptor; then all, by the harness.
    let socket = echo.slots[0].socket.expect("open");
    echo.kernel.shutdown_send(socket);
    echo.turn(Some(Duration::from_millis(10)));
    drop(clients);
    echo.run(|echo| echo.closed == 20);
    assert_eq!(echo.errors, []);
}

#[test]
fn without_descriptors_connections_are_served_all_the_same() {
    if !is_child() {
        in_a_child("limits::child_without_descriptors");
    }
}

#[test]
fn child_with_a_low_limit() {
    if !is_child() {
        return;
    }
    limit(64);
    let (fd, address) = listener();
    let mut echo = Echo::new(config(vec![fd]), &Tuning::default());
    let clients = echo.connect(address, 20);
    echo.run(|echo| echo.accepted == 20);
    drop((echo, clients));
    let direct = Uring::new(config(Vec::new())).expect("io_uring");
    assert_eq!(direct.sockets_max(), 48, "three quarters of the table");
    drop(direct);
    let ordinary = Tuning { ordinary: true, ..Tuning::default() };
    let kernel = Uring::tuned(config(Vec::new()), &ordinary).expect("io_uring");
    assert_eq!(kernel.sockets_max(), 1);
}

#[test]
fn the_capacity_that_the_limit_leaves_is_reported() {
    if !is_child() {
        in_a_child("limits::child_with_a_low_limit");
    }
}
