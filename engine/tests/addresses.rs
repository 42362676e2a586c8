//! What one remote address may have of an endpoint.

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Address, AddressLimits, Endpoint};
use ringws_kit::{Client, TEXT, ask, field, read_to_end, tcp, unix};
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use service::{Echo, at, of, reactors, start, stats, until};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

fn limited(per_address: AddressLimits) -> Endpoint {
    Endpoint { per_address, ..at(Echo) }
}

/// A connection from another address of this machine.
fn from(address: Ipv4Addr, port: u16) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &SocketAddrV4::new(address, 0)).expect("an address of the loopback");
    connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).expect("a listener");
    socket.into()
}

#[test]
fn connections_of_one_address_are_counted_on_all_reactors() {
    let limits = AddressLimits { connections_max: 3, ..AddressLimits::default() };
    let (engine, port) = start(reactors(2), limited(limits));
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(port)).collect();
    // One that says nothing has been accepted, too.
    for closed in 1..4 {
        let mut over = tcp(port);
        let _ = over.write_all(b"GET / HTTP/1.1\r\n");
        assert_eq!(read_to_end(&mut over), b"", "closed unheard");
        until(&engine, "it is counted", |stats| stats.address_closed == closed);
    }
    Client::open(from(Ipv4Addr::new(127, 0, 0, 2), port)).echoes(TEXT, "another address");
    clients.iter_mut().for_each(|client| client.echoes(TEXT, "not harmed"));
    clients.truncate(2);
    until(&engine, "one has gone", |stats| stats.connections == 2);
    Client::connect(port).echoes(TEXT, "has its place");
    assert_eq!(stats(&engine).accepted, 5, "those over the limit are not");
}

#[test]
fn who_asks_too_often_is_told_when_to_come_again() {
    let limits = AddressLimits { upgrades_per_second: 1, upgrades_burst: 2, connections_max: 0 };
    let (engine, port) = start(reactors(1), limited(limits));
    let begun = Instant::now();
    let head = loop {
        let head = ask(&mut tcp(port), "/", &[]).expect("an answer");
        if !head.starts_with("HTTP/1.1 101 ") {
            break head;
        }
        let most = 2 + begun.elapsed().as_secs() + 1;
        assert!(stats(&engine).upgraded <= most, "two, and one a second");
    };
    assert!(head.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{head}");
    assert_eq!(field(&head, "Retry-After"), Some("1"), "{head}");
    until(&engine, "it is counted among all", |stats| {
        (stats.address_refused, stats.refused) == (1, 1)
    });
    assert_eq!(of(&stats(&engine), "refused_by_reason", "address"), 1);
    Client::open(from(Ipv4Addr::new(127, 0, 0, 3), port)).echoes(TEXT, "another address");
    std::thread::sleep(Duration::from_millis(1_100));
    Client::connect(port).echoes(TEXT, "in time");
}

#[test]
fn unix_sockets_have_no_addresses() {
    let path = std::env::temp_dir().join(format!("ringws-addresses-{}", std::process::id()));
    let limits = AddressLimits { connections_max: 1, upgrades_per_second: 1, upgrades_burst: 1 };
    let endpoint = Endpoint { address: Address::Unix(path.clone()), ..limited(limits) };
    let (engine, _) = start(reactors(1), endpoint);
    let mut clients: Vec<_> = (0..5).map(|_| Client::open(unix(&path))).collect();
    clients.iter_mut().for_each(|client| client.echoes(TEXT, "as many as there are"));
    let stats = stats(&engine);
    assert_eq!((stats.address_closed, stats.address_refused), (0, 0));
}
