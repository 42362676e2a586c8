//! Which reactor serves what listening sockets bring.

use super::running::{at_of, reactors, start, stats, until};
use super::service::{Echo, open_sockets};
use ringws_engine::config::{Address, AddressLimits, Config, Endpoint, Placement};
use ringws_engine::engine::Engine;
use ringws_kit::{Client, TEXT, read_to_end, tcp, unix};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

const ALL: u64 = 1_000;

fn spread(echo: &Arc<Echo>) -> Endpoint {
    Endpoint { placement: Placement::LeastLoaded, ..at_of(echo.clone()) }
}

/// How many each reactor has.
fn loads(engine: &Engine) -> Vec<u64> {
    (0..engine.reactors()).map(|index| engine.stats(Some(index)).expect("it").connections).collect()
}

#[test]
fn no_reactor_has_noticeably_more_than_another() {
    for count in [2, 4, 8] {
        let echo = Arc::new(Echo::default());
        let config = Config { recv_buffers: 64, ..reactors(count) };
        let (engine, port) = start(config, spread(&echo));
        let mut clients: Vec<Client> = (0..ALL).map(|_| Client::connect(port)).collect();
        let loads = loads(&engine);
        assert_eq!(loads.iter().sum::<u64>(), ALL);
        let (max, mean) = (loads.iter().max().expect("some"), ALL as f64 / f64::from(count));
        assert!(*max as f64 / mean <= 1.02, "{loads:?}");
        let all = stats(&engine);
        assert_eq!((all.accepted, all.adopted, all.upgraded), (ALL, 0, ALL));
        assert!(all.handed_over > 0 && all.handed_over < ALL, "{}", all.handed_over);
        for client in &mut clients {
            client.echoes(TEXT, "x");
        }
        let counts = |reactor| echo.seen().opens.iter().filter(|open| open.1 == reactor).count();
        assert_eq!((0..count).map(|at| counts(at) as u64).collect::<Vec<_>>(), loads);
    }
}

/// All at once, so that each reactor finds many in its backlog.
#[test]
fn a_crowd_is_spread_too() {
    let echo = Arc::new(Echo::default());
    let config = Config { recv_buffers: 64, ..reactors(4) };
    let (engine, port) = start(config, spread(&echo));
    let streams: Vec<TcpStream> = (0..ALL).map(|_| tcp(port)).collect();
    until(&engine, "all are there", |stats| stats.connections == ALL);
    let loads = loads(&engine);
    assert!(*loads.iter().max().expect("some") <= 255, "{loads:?}");
    let clients: Vec<Client> = streams.into_iter().map(Client::open).collect();
    drop(clients);
    until(&engine, "all have gone", |stats| stats.connections == 0);
}

/// Reactors whose connections have ended are filled up first.
#[test]
fn new_ones_make_up_for_those_that_have_gone() {
    let echo = Arc::new(Echo::default());
    let (engine, port) = start(reactors(2), spread(&echo));
    let open = || {
        let client = Client::connect(port);
        (echo.seen().opens.last().expect("open").1, client)
    };
    let mut all: Vec<(u32, Client)> = (0..200).map(|_| open()).collect();
    all.retain(|(reactor, _)| *reactor == 1);
    let left = all.len() as u64;
    until(&engine, "the others have gone", |stats| stats.connections == left);
    all.extend((0..100).map(|_| open()));
    let loads = loads(&engine);
    assert!(loads[0].abs_diff(loads[1]) <= 2, "{loads:?}");
}

/// A Unix socket is one for all reactors.
#[test]
fn a_unix_socket_is_spread_too() {
    let echo = Arc::new(Echo::default());
    let path = std::env::temp_dir().join(format!("ringws-spread-{}.sock", std::process::id()));
    let address = Address::Unix(path.clone());
    let (engine, _) = start(reactors(3), Endpoint { address, ..spread(&echo) });
    let clients: Vec<_> = (0..300).map(|_| Client::open(unix(&path))).collect();
    let loads = loads(&engine);
    assert!(loads.iter().all(|load| (99..=102).contains(load)), "{loads:?}");
    drop(clients);
}

/// Limits of an address count once, whoever serves the connection; and nothing of the descriptors
/// that pass between reactors is left.
#[test]
fn limits_of_an_address_hold_across_reactors() {
    let echo = Arc::new(Echo::default());
    let per_address = AddressLimits { connections_max: 50, ..AddressLimits::default() };
    let (engine, port) = start(reactors(4), Endpoint { per_address, ..spread(&echo) });
    for round in 1..=3 {
        let streams: Vec<TcpStream> = (0..60).map(|_| tcp(port)).collect();
        until(&engine, "ten are too many", |stats| stats.address_closed == 10 * round);
        assert_eq!(stats(&engine).connections, 50);
        drop(streams);
        until(&engine, "all have gone", |stats| stats.connections == 0);
    }
    ringws_kit::until("all descriptors are closed", || open_sockets(port) == 0);
}

/// A stop while connections pass from reactor to reactor: each of them is answered, or ends.
#[test]
fn a_stop_in_between_leaves_nobody_behind() {
    for round in 0..10 {
        let echo = Arc::new(Echo::default());
        let (engine, port) = start(reactors(4), spread(&echo));
        let mut streams: Vec<TcpStream> = (0..40 + 10 * round).map(|_| tcp(port)).collect();
        engine.stop(Duration::from_millis(100));
        engine.wait().expect("an orderly end");
        streams.iter_mut().for_each(|stream| _ = read_to_end(stream));
        drop((engine, streams));
        assert_eq!(open_sockets(port), 0, "round {round}");
    }
}
