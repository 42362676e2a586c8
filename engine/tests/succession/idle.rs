//! Which connections go, when, and what goes along.

use crate::app::{App, Old, at_once, hand_over, hand_over_with};
use crate::service::{at, reactors, start, stats};
use ringws_engine::config::Endpoint;
use ringws_engine::conn::{Deflate, Limits, SendFlags};
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Conn, Context, Handle, Handler, Message};
use ringws_engine::succession::HandOver;
use ringws_kit::{BINARY, CLOSE, Client, FIN, TEXT, close, frame, until};
use std::io::Read;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// What was read and not looked at goes along: not a byte is lost of a header that came in part.
#[test]
fn a_header_that_has_come_in_part_goes_along() {
    let old = Old::start(App::default());
    for at in 1..6 {
        let bytes = frame(TEXT, "0");
        let mut client = Client::connect(old.port);
        client.write(&bytes[..at]);
        // It has come by the time that its Pong has.
        let mut other = Client::connect(old.port);
        other.echoes(TEXT, "0");
        std::thread::sleep(Duration::from_millis(20));
        if at == 5 {
            let new = hand_over(&old, App::default());
            old.engine.wait().expect("it has ended");
            client.write(&bytes[at..]);
            client.hears(TEXT, "0");
            client.echoes(TEXT, "1");
            assert_eq!(stats(&old.engine).passed_on, 10, "all of them");
            assert_eq!(stats(&new.engine).taken_over, 10);
        }
        std::mem::forget((client, other));
    }
}

/// When the first of two connections is asked, another thread sends something to the other one.
#[derive(Default)]
struct Pair {
    conns: Mutex<Vec<Conn>>,
    handle: OnceLock<Handle>,
    first: OnceLock<Conn>,
}

struct Paired(Arc<Pair>);

impl Handler for Paired {
    fn on_open(&self, _: &mut Context, conn: Conn) {
        self.0.conns.lock().unwrap().push(conn);
    }

    fn on_message(&self, _: &mut Context, _: Conn, _: Message<'_>) {}

    fn on_hand_over(&self, _: &mut Context, conn: Conn) -> Option<Vec<u8>> {
        if self.0.first.set(conn).is_ok() {
            let conns = self.0.conns.lock().unwrap().clone();
            let other = *conns.iter().find(|other| **other != conn).expect("two");
            let handle = self.0.handle.get().expect("it runs").clone();
            let send = move || handle.send(other, Opcode::Binary, b"x", SendFlags::default());
            std::thread::spawn(send).join().expect("it ends").expect("it is open");
        }
        Some(vec![0; 8])
    }
}

/// What other threads have sent by the time that it is asked goes to the peer first.
#[test]
fn what_was_sent_before_it_is_asked_is_heard() {
    for _ in 0..10 {
        let pair = Arc::new(Pair::default());
        let (engine, port) = start(reactors(1), at(Paired(Arc::clone(&pair))));
        assert!(pair.handle.set(engine.handle().clone()).is_ok());
        let old = Old { engine, port };
        let mut clients: Vec<Client> = (1..=2)
            .map(|many| {
                let client = Client::connect(old.port);
                until("it is open", || pair.conns.lock().unwrap().len() == many);
                client
            })
            .collect();
        let new = hand_over(&old, App::default());
        until("they have gone", || stats(&new.engine).taken_over == 2);
        let first = pair.first.get().expect("it was asked");
        let other = pair.conns.lock().unwrap().iter().position(|conn| conn != first);
        clients[other.expect("two")].hears(BINARY, "x");
    }
}

/// A connection in the middle of a message stays until it has come.
#[test]
fn in_the_middle_of_a_message_nobody_leaves() {
    let old = Old::start(App::default());
    let mut whole = Client::connect(old.port);
    let mut fragments = Client::connect(old.port);
    let bytes = frame(TEXT, "0");
    whole.write(&bytes[..bytes.len() - 1]);
    fragments.send(TEXT & !FIN, "0");
    std::thread::sleep(Duration::from_millis(20));
    let mut idle = Client::connect(old.port);
    idle.echoes(TEXT, "0");
    let new = hand_over(&old, App::default());
    until("the idle one has gone", || stats(&new.engine).taken_over == 1);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(stats(&old.engine).passed_on, 1, "no other has");
    whole.write(&bytes[bytes.len() - 1..]);
    whole.hears(TEXT, "0");
    fragments.send(FIN, "");
    fragments.hears(TEXT, "0");
    until("they have gone, too", || stats(&new.engine).taken_over == 3);
    [&mut whole, &mut fragments, &mut idle].into_iter().for_each(|one| one.echoes(TEXT, "1"));
    old.engine.wait().expect("it has ended");
    let said = new.said.recv().expect("told");
    assert_eq!((said.failed, said.passed, said.back, said.left), (None, 3, 0, 0));
}

/// Sends what is asked for, of any size.
struct Sender;

impl Handler for Sender {
    fn on_message(&self, ctx: &mut Context, conn: Conn, _: Message<'_>) {
        let large = vec![7; 8 << 20];
        ctx.send(conn, Opcode::Binary, &large, SendFlags::default()).expect("room");
    }

    fn on_hand_over(&self, _: &mut Context, _: Conn) -> Option<Vec<u8>> {
        Some(Vec::new())
    }
}

/// With a queue that does not leave nobody goes; what is left when the time is over is drained by
/// the drain that there is, with 1012.
#[test]
fn who_has_not_read_all_is_drained() {
    let limits = Limits { send_queue_max: 64 << 20, ..Limits::default() };
    let (engine, port) = start(reactors(1), Endpoint { limits, ..at(Sender) });
    let old = Old { engine, port };
    let mut slow = Client::connect(old.port);
    slow.send(TEXT, "send");
    let mut keen = Client::connect(old.port);
    keen.send(TEXT, "send");
    keen.hears(BINARY, vec![7; 8 << 20]);
    let how = HandOver { within: Duration::from_millis(300), ..at_once() };
    let new = hand_over_with(&old, reactors(1), limits, Sender, how);
    until("one has gone", || stats(&new.engine).taken_over == 1);
    let said = new.said.recv().expect("told");
    assert_eq!((said.failed, said.passed, said.left), (None, 1, 1));
    slow.hears(BINARY, vec![7; 8 << 20]);
    slow.closed_with(1012);
    slow.send(CLOSE, close(1012, ""));
    old.engine.wait().expect("it has ended");
    assert_eq!(stats(&old.engine).left_behind, 1);
}

#[test]
fn who_is_kept_by_the_application_is_drained() {
    let old = Old::start(App { keeps: true });
    let mut client = Client::connect(old.port);
    client.echoes(TEXT, "0");
    let new = hand_over(&old, App::default());
    client.closed_with(1012);
    client.send(CLOSE, close(1012, ""));
    old.engine.wait().expect("it has ended");
    assert_eq!((stats(&old.engine).left_behind, stats(&new.engine).taken_over), (1, 0));
}

/// Members stay members, and get what is published over there.
#[test]
fn memberships_go_along() {
    let old = Old::start(App::default());
    let mut member = Client::connect(old.port);
    member.send(TEXT, "join");
    member.hears(TEXT, "joined");
    let new = hand_over(&old, App::default());
    until("it has gone", || stats(&new.engine).taken_over == 1);
    assert_eq!(new.engine.handle().members(b"feed"), 1);
    Client::connect(old.port).send(TEXT, "say 1");
    member.hears(TEXT, "feed 1");
    old.engine.wait().expect("it has ended");
    assert_eq!(old.engine.handle().members(b"feed"), 0);
}

/// Compression that nobody has to remember goes on. Where the peer may refer to what it has sent,
/// and has sent something, its connection stays.
#[test]
fn compressed_connections_go_unless_the_peers_window_is_in_use() {
    let deflate = Some(Deflate { takeover: true, min: 1, ..Deflate::default() });
    let limits = Limits { deflate, ..Limits::default() };
    let old = Old::with(reactors(1), limits, App::default());
    let offers = |offer: &str| {
        let field = [("Sec-WebSocket-Extensions", offer)];
        Client::open_with(ringws_kit::tcp(old.port), "/", &field)
    };
    // The text "0" as one fixed block, its end left out (RFC 7692 §7.2.3).
    let zero = [0x32u8, 0x00, 0x00];
    let mut forgets = offers("permessage-deflate; client_no_context_takeover");
    assert!(forgets.head().contains("permessage-deflate"), "{}", forgets.head());
    forgets.send(TEXT | 0x40, zero);
    let first = raw(&mut forgets);
    let mut silent = offers("permessage-deflate; client_max_window_bits");
    let mut bound = offers("permessage-deflate");
    bound.send(TEXT | 0x40, zero);
    assert_eq!(raw(&mut bound), first);
    let how = HandOver { within: Duration::from_millis(500), ..at_once() };
    let new = hand_over_with(&old, reactors(1), limits, App::default(), how);
    until("two have gone", || stats(&new.engine).taken_over == 2);
    bound.closed_with(1012);
    bound.send(CLOSE, close(1012, ""));
    // A compressor that begins anew says the same as at first.
    silent.send(TEXT | 0x40, zero);
    assert_eq!(raw(&mut silent), first);
    forgets.send(TEXT, "1");
    assert!(raw(&mut forgets).len() > 2);
    old.engine.wait().expect("it has ended");
}

/// The next frame as it is, which may be compressed.
fn raw(client: &mut Client) -> Vec<u8> {
    let mut head = [0; 2];
    client.stream.read_exact(&mut head).expect("a frame");
    let mut payload = vec![0; usize::from(head[1])];
    client.stream.read_exact(&mut payload).expect("all of it");
    [&head[..], &payload].concat()
}
