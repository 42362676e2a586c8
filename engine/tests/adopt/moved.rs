//! An upgrade that goes to the reactor that has its room.

use super::running::{at_of, reactors, start, stats, until};
use super::service::open_sockets;
use ringws_engine::config::{AddressLimits, Endpoint};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::reactor::{Closed, Conn, Context, Handler, Message, MoveError, Upgrade};
use ringws_kit::{Client, TEXT, read_to_end, tcp};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Each path is a room, `/2` that of reactor 2. Echoes.
#[derive(Debug, Default)]
struct Rooms {
    /// The reactor of each that is open, and its room's.
    opens: Mutex<Vec<(u32, u32)>>,
    /// What a move there was refused for.
    refused: Mutex<Vec<MoveError>>,
    /// On which reactor each was asked for, and whether it had been moved.
    asked: Mutex<Vec<(u32, bool)>>,
    closes: Mutex<usize>,
}

fn room_of(target: &str) -> u32 {
    target.get(1..2).and_then(|room| room.parse().ok()).expect("a room")
}

impl Handler for Rooms {
    fn on_upgrade(&self, ctx: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        self.asked.lock().unwrap().push((ctx.index(), upgrade.moved()));
        let target = upgrade.request().target();
        let (room, further) = (room_of(target), target.ends_with("further"));
        let to = if upgrade.moved() && further { (room + 1) % 4 } else { room };
        match upgrade.move_to(to) {
            // No answer any more.
            Ok(()) => {
                assert_eq!(upgrade.move_to(to), Err(MoveError::Moved));
                assert!(upgrade.later().is_err());
                Err(Refusal::new(500))
            }
            Err(why) => {
                self.refused.lock().unwrap().push(why);
                upgrade.set_user(room as usize);
                Ok(())
            }
        }
    }
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        assert_eq!(conn.reactor(), ctx.index());
        let room = ctx.user(conn).expect("open") as u32;
        self.opens.lock().unwrap().push((conn.reactor(), room));
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).expect("room");
    }
    fn on_close(&self, _: &mut Context, _: Conn, _: &mut Closed<'_>) {
        *self.closes.lock().unwrap() += 1;
    }
}

fn head(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// "hi", masked with zeros.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";

fn service(per_address: AddressLimits) -> (Engine, u16, Arc<Rooms>) {
    let rooms = Arc::new(Rooms::default());
    let (engine, port) = start(reactors(4), Endpoint { per_address, ..at_of(rooms.clone()) });
    (engine, port, rooms)
}

/// Reads until the echo of `HI`.
fn hears(stream: &mut std::net::TcpStream) {
    let mut got = Vec::new();
    let mut byte = [0];
    while !got.ends_with(b"\x81\x02hi") {
        std::io::Read::read_exact(stream, &mut byte).expect("more");
        got.push(byte[0]);
    }
    assert!(got.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&got));
}

/// Each ends where its room is, with what it sent behind its head, and counts once: under a limit
/// that a second count would break.
#[test]
fn each_comes_to_the_reactor_of_its_room() {
    let limits =
        AddressLimits { connections_max: 200, upgrades_per_second: 1, upgrades_burst: 200 };
    let (engine, port, rooms) = service(limits);
    let mut all: Vec<_> = (0..200)
        .map(|at| {
            let mut stream = tcp(port);
            let mut bytes = head(&format!("/{}", at % 4)).into_bytes();
            bytes.extend(HI);
            stream.write_all(&bytes).expect("sent");
            stream
        })
        .collect();
    all.iter_mut().for_each(hears);
    let opens = rooms.opens.lock().unwrap().clone();
    assert_eq!(opens.len(), 200);
    assert!(opens.iter().all(|(reactor, room)| reactor == room), "{opens:?}");
    let seen = stats(&engine);
    let asked = rooms.asked.lock().unwrap().clone();
    let moved = asked.iter().filter(|(_, moved)| *moved).count() as u64;
    assert!(moved > 0, "all were accepted where their rooms are");
    assert_eq!(asked.len() as u64, 200 + moved);
    assert!(
        rooms
            .refused
            .lock()
            .unwrap()
            .iter()
            .all(|why| { matches!(why, MoveError::Here | MoveError::Moved) })
    );
    assert_eq!((seen.accepted, seen.upgraded, seen.connections), (200, 200, 200));
    assert_eq!((seen.handed_over, seen.adopted, seen.refused), (moved, moved, 0));
    assert_eq!((seen.address_closed, seen.address_refused), (0, 0));
    let states: u64 = seen.connections_by_state.iter().sum();
    assert_eq!(states, 200);
    drop(all);
    until(&engine, "all have gone", |stats| stats.connections == 0);
    assert_eq!(stats(&engine).connections_by_state.iter().sum::<u64>(), 0);
    assert_eq!(*rooms.closes.lock().unwrap(), 200);
    // Nothing of them is left in the counts of their address.
    let clients: Vec<_> = (0..200).map(|_| tcp(port)).collect();
    until(&engine, "as many again", |stats| stats.accepted == 400);
    assert_eq!(stats(&engine).address_closed, 0);
    drop(clients);
    ringws_kit::until("all descriptors are closed", || open_sockets(port) == 0);
}

/// One whose request comes alone, and whose frames come whenever.
#[test]
fn it_is_open_as_any_other() {
    let (engine, port, _) = service(AddressLimits::default());
    let mut clients: Vec<Client> =
        (0..40).map(|at| Client::open_with(tcp(port), &format!("/{}", at % 4), &[])).collect();
    for client in &mut clients {
        client.echoes(TEXT, "x");
    }
    assert_eq!(stats(&engine).upgraded, 40);
}

/// It stays where it has been moved to.
#[test]
fn a_second_move_is_refused() {
    let (engine, port, rooms) = service(AddressLimits::default());
    let mut all: Vec<_> = (0..40)
        .map(|at| {
            let mut stream = tcp(port);
            let bytes = head(&format!("/{}/further", at % 4)).into_bytes();
            stream.write_all(&[&bytes, HI].concat()).expect("sent");
            stream
        })
        .collect();
    all.iter_mut().for_each(hears);
    let moved = stats(&engine).adopted;
    let refused = rooms.refused.lock().unwrap().clone();
    let twice = refused.iter().filter(|why| **why == MoveError::Moved).count() as u64;
    assert!(moved > 0 && twice == moved, "{moved} {refused:?}");
}

/// No such reactor: the answer is what the callback says.
#[test]
fn where_nobody_is_nothing_goes() {
    let (_engine, port, rooms) = service(AddressLimits::default());
    let mut stream = tcp(port);
    stream.write_all(&[head("/9").as_bytes(), HI].concat()).expect("sent");
    hears(&mut stream);
    assert_eq!(*rooms.refused.lock().unwrap(), [MoveError::Reactor]);
}

/// What was asked before on the same connection is answered before it goes.
#[test]
fn answers_leave_before_it_goes() {
    let rooms = Arc::new(Rooms::default());
    let limits = Limits { requests: true, ..Limits::default() };
    let (_engine, port) = start(reactors(4), Endpoint { limits, ..at_of(rooms.clone()) });
    for at in 0..16 {
        let mut stream = tcp(port);
        let asks = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
        let bytes = [asks, asks, head(&format!("/{}", at % 4)).as_bytes(), HI].concat();
        stream.write_all(&bytes).expect("sent");
        let (mut got, mut byte) = (Vec::new(), [0]);
        while !got.ends_with(b"\x81\x02hi") {
            std::io::Read::read_exact(&mut stream, &mut byte).expect("more");
            got.push(byte[0]);
        }
        let text = String::from_utf8_lossy(&got);
        assert_eq!(text.matches("HTTP/1.1 404 ").count(), 2, "{text}");
        assert_eq!(text.matches("HTTP/1.1 101 ").count(), 1, "{text}");
    }
}

/// A stop while they are on their way: each ends, and nothing of it is left.
#[test]
fn a_stop_in_between_leaves_nobody_behind() {
    for round in 0..10 {
        let limits = AddressLimits { connections_max: 1_000, ..AddressLimits::default() };
        let (engine, port, rooms) = service(limits);
        let mut all: Vec<_> = (0..40 + 10 * round)
            .map(|at| {
                let mut stream = tcp(port);
                stream.write_all(head(&format!("/{}", at % 4)).as_bytes()).expect("sent");
                stream
            })
            .collect();
        engine.stop(Duration::from_millis(100));
        engine.wait().expect("an orderly end");
        all.iter_mut().for_each(|stream| _ = read_to_end(stream));
        let seen = stats(&engine);
        assert_eq!((seen.connections, seen.connections_by_state.iter().sum::<u64>()), (0, 0));
        assert_eq!(rooms.opens.lock().unwrap().len(), *rooms.closes.lock().unwrap());
        drop((engine, all));
        assert_eq!(open_sockets(port), 0, "round {round}");
    }
}
