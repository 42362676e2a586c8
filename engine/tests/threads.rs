//! Calls from several threads, and from callbacks through the engine's handle: their order, what
//! waits, what is lost, and that this is told; and what becomes of all when one reactor fails.

#[path = "threads/failing.rs"]
mod failing;
#[path = "support/service.rs"]
mod service;

use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{CallError, Closed, Conn, Context, Handler, Message};
use ringws_kit::{
    BINARY, CLOSE, CONTINUATION, Client, FIN, Frame, PING, TEXT, close, frame, until,
};
use service::{serve, stats};
use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

const WHOLE: SendFlags = SendFlags { more: false, plain: false };
const MORE: SendFlags = SendFlags { more: true, plain: false };

/// Does what messages say; tells of connections and of what calls answered.
struct Obedient {
    opened: Mutex<Sender<Conn>>,
    answers: Mutex<Sender<String>>,
}

impl Obedient {
    fn tell(&self, answer: impl std::fmt::Debug) {
        self.answers.lock().unwrap().send(format!("{answer:?}")).unwrap();
    }
}

impl Handler for Obedient {
    fn on_open(&self, _: &mut Context, conn: Conn) {
        self.opened.lock().unwrap().send(conn).unwrap();
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let handle = ctx.engine().clone();
        match message.payload {
            b"begin" => assert!(ctx.send(conn, Opcode::Text, b"(", MORE).is_ok()),
            b"end" => assert!(ctx.send(conn, Opcode::Continuation, b")", WHOLE).is_ok()),
            b"whole" => self.tell(ctx.send(conn, Opcode::Text, b"callback", WHOLE)),
            b"go on" => self.tell(ctx.send(conn, Opcode::Continuation, b"?", WHOLE)),
            b"mixed" => {
                let long = [b'5'; 9000];
                handle.send(conn, Opcode::Text, b"1", WHOLE).unwrap();
                ctx.send(conn, Opcode::Text, b"2", WHOLE).unwrap();
                ctx.send(conn, Opcode::Text, b"3", WHOLE).unwrap();
                handle.send(conn, Opcode::Text, b"4", WHOLE).unwrap();
                handle.send(conn, Opcode::Text, &long, WHOLE).unwrap();
                ctx.send(conn, Opcode::Text, b"6", WHOLE).unwrap();
                ctx.send(conn, Opcode::Text, &long, WHOLE).unwrap();
                handle.send(conn, Opcode::Text, b"8", WHOLE).unwrap();
            }
            b"count" => {
                handle.send(conn, Opcode::Text, &[b'x'; 50], WHOLE).unwrap();
                self.tell(ctx.buffered(conn));
            }
            b"leave" => {
                handle.send(conn, Opcode::Text, b"last", WHOLE).unwrap();
                handle.close(conn, CloseCode::NORMAL, "").unwrap();
                self.tell(ctx.send(conn, Opcode::Text, b"too late", WHOLE));
            }
            _ => assert!(ctx.send(conn, message.opcode, message.payload, WHOLE).is_ok()),
        }
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        self.tell(closed.info.code.0);
    }
}

struct Scene {
    engine: Engine,
    client: Client,
    conn: Conn,
    answers: Receiver<String>,
}

impl Scene {
    fn new(limits: Limits) -> Self {
        let ((opened, opens), (answers, told)) = (channel(), channel());
        let handler = Obedient { opened: Mutex::new(opened), answers: Mutex::new(answers) };
        let (engine, port) = serve(limits, handler);
        let client = Client::connect(port);
        let conn = opens.recv_timeout(Duration::from_secs(10)).unwrap();
        Self { engine, client, conn, answers: told }
    }
    fn say(&mut self, words: &[&str]) {
        let frames: Vec<u8> = words.iter().flat_map(|word| frame(TEXT, word)).collect();
        self.client.write(&frames);
    }
    fn told(&self) -> String {
        self.answers.recv_timeout(Duration::from_secs(10)).unwrap()
    }
    /// Frames from a thread of their own.
    fn thread(&self, frames: &[(Opcode, &str, SendFlags)]) {
        let (handle, conn) = (self.engine.handle(), self.conn);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for &(opcode, payload, flags) in frames {
                    handle.send(conn, opcode, payload.as_bytes(), flags).unwrap();
                }
            });
        });
        self.settled();
    }
    /// All mail so far was looked at.
    fn settled(&self) {
        let (done, waits) = channel();
        self.engine.handle().post(0, Box::new(move |_| done.send(()).unwrap())).unwrap();
        waits.recv_timeout(Duration::from_secs(10)).unwrap();
    }
    fn dropped(&self) -> u64 {
        stats(&self.engine).forward_dropped
    }
    fn expect(&mut self, frames: &[(u8, &str)]) {
        frames.iter().for_each(|(first, payload)| self.client.hears(*first, payload));
    }
}

#[test]
fn mail_waits_for_the_end_of_a_message_of_the_callbacks() {
    let mut scene = Scene::new(Limits::default());
    scene.say(&["begin"]);
    scene.expect(&[(TEXT & !FIN, "(")]);
    scene.thread(&[(Opcode::Text, "mail", WHOLE), (Opcode::Ping, "now", WHOLE)]);
    // A stranger's continuation is none of this message.
    scene.thread(&[(Opcode::Continuation, "spoilt", WHOLE)]);
    scene.expect(&[(PING, "now")]);
    scene.say(&["end"]);
    scene.expect(&[(FIN | CONTINUATION, ")"), (TEXT, "mail")]);
    assert_eq!(scene.dropped(), 1);
}

#[test]
fn messages_of_threads_and_callbacks_are_not_mixed() {
    let mut scene = Scene::new(Limits::default());
    let handle = scene.engine.handle().clone();
    let conn = scene.conn;
    handle.send(conn, Opcode::Text, b"a1", MORE).unwrap();
    scene.thread(&[
        (Opcode::Binary, "b1", MORE),
        (Opcode::Continuation, "b2", WHOLE),
        (Opcode::Text, "b3", WHOLE),
    ]);
    scene.thread(&[(Opcode::Text, "c1", MORE), (Opcode::Continuation, "c2", MORE)]);
    scene.say(&["whole", "go on"]);
    assert_eq!([scene.told(), scene.told()], ["Ok(Ok)", "Ok(Ok)"], "it waits, in its order");
    handle.send(conn, Opcode::Continuation, b"a2", MORE).unwrap();
    // A mistake of the one whose message it is: waiting for its own end would be for ever.
    handle.send(conn, Opcode::Text, b"mistake", WHOLE).unwrap();
    handle.send(conn, Opcode::Continuation, b"a3", WHOLE).unwrap();
    scene.expect(&[(TEXT & !FIN, "a1"), (CONTINUATION, "a2"), (FIN | CONTINUATION, "a3")]);
    scene.expect(&[
        (BINARY & !FIN, "b1"),
        (FIN | CONTINUATION, "b2"),
        (TEXT, "b3"),
        (TEXT & !FIN, "c1"),
        (CONTINUATION, "c2"),
    ]);
    scene.settled();
    assert_eq!(scene.dropped(), 1, "the mistake; the callback's turn has not come");
    // Who has not ended his message holds up the others, but not the end.
    handle.close(conn, CloseCode(3000), "").unwrap();
    scene.client.hears(CLOSE, close(3000, ""));
    scene.say(&["whole"]);
    assert_eq!(scene.told(), "Err(Send(Closing))", "no turn will come");
    drop(scene.client);
    assert_eq!(scene.answers.recv_timeout(Duration::from_secs(10)).unwrap(), "1006");
    drop(scene.engine);
}

#[test]
fn a_close_comes_behind_what_its_sender_has_sent() {
    let mut scene = Scene::new(Limits::default());
    scene.say(&["begin"]);
    scene.expect(&[(TEXT & !FIN, "(")]);
    scene.thread(&[(Opcode::Text, "mail", WHOLE)]);
    let (handle, conn) = (scene.engine.handle().clone(), scene.conn);
    handle.send(conn, Opcode::Text, b"mine", WHOLE).unwrap();
    handle.close(conn, CloseCode::NORMAL, "").unwrap();
    scene.settled();
    scene.say(&["end"]);
    scene.expect(&[(FIN | CONTINUATION, ")"), (TEXT, "mail"), (TEXT, "mine")]);
    scene.client.hears(CLOSE, close(1000, ""));
    assert_eq!(scene.dropped(), 0);
}

#[test]
fn what_waits_is_bounded_and_what_is_lost_is_counted() {
    let limits = Limits { send_queue_max: 1000, ..Limits::default() };
    let mut scene = Scene::new(limits);
    scene.say(&["begin"]);
    scene.expect(&[(TEXT & !FIN, "(")]);
    let long = "x".repeat(900);
    scene.thread(&[(Opcode::Text, long.as_str(), WHOLE); 5]);
    assert_eq!(scene.dropped(), 3, "two fit, since one may exceed the limit");
    let (handle, conn) = (scene.engine.handle().clone(), scene.conn);
    assert!((1800..2500).contains(&handle.buffered(conn)), "{}", handle.buffered(conn));
    scene.say(&["whole"]);
    assert_eq!(scene.told(), "Err(Send(Sequence))", "in the middle of its own");
    drop(scene.client);
    assert_eq!(scene.answers.recv_timeout(Duration::from_secs(10)).unwrap(), "1006");
    until("counted", || stats(&scene.engine).forward_dropped == 5);
    assert_eq!(handle.buffered(conn), 0, "it has gone");
}

#[test]
fn a_message_that_lacks_a_fragment_does_not_pass_for_whole() {
    let limits = Limits { send_queue_max: 1000, ..Limits::default() };
    let mut scene = Scene::new(limits);
    let (handle, conn) = (scene.engine.handle().clone(), scene.conn);
    let huge = vec![b'x'; 16 << 20];
    handle.send(conn, Opcode::Binary, &huge, MORE).unwrap();
    scene.settled();
    handle.send(conn, Opcode::Continuation, b"lost", MORE).unwrap();
    handle.send(conn, Opcode::Continuation, b"end", WHOLE).unwrap();
    scene.settled();
    assert_eq!(scene.dropped(), 2);
    assert!(handle.buffered(conn) > 1 << 20, "{}", handle.buffered(conn));
    let first = Frame::new(BINARY & !FIN, &huge).unmasked().bytes();
    let last = Frame::new(CLOSE, &close(1011, "")).unmasked().bytes();
    let mut all = Vec::new();
    scene.client.stream.read_to_end(&mut all).unwrap();
    assert!(all == [first, last].concat(), "{} bytes", all.len());
}

#[test]
fn who_feeds_a_connection_can_hold_back() {
    let mut scene = Scene::new(Limits { send_queue_max: 1 << 20, ..Limits::default() });
    let (handle, conn) = (scene.engine.handle().clone(), scene.conn);
    assert_eq!(handle.buffered(conn), 0);
    let part = vec![b'x'; 64 << 10];
    const PARTS: usize = 400;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..PARTS {
                until("room", || handle.buffered(conn) < 512 << 10);
                handle.send(conn, Opcode::Binary, &part, WHOLE).unwrap();
            }
        });
        (0..PARTS).for_each(|_| scene.client.hears(BINARY, &part));
    });
    assert_eq!(scene.dropped(), 0);
    until("all sent", || handle.buffered(conn) == 0);
}

#[test]
fn one_message_is_always_taken() {
    let mut scene = Scene::new(Limits::default());
    let (handle, conn) = (scene.engine.handle().clone(), scene.conn);
    let huge = vec![b'x'; (64 << 20) + 1];
    let (go, wait) = channel::<()>();
    let block = move |_: &mut Context| assert!(wait.recv().is_err());
    handle.post(0, Box::new(block)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    handle.send(conn, Opcode::Binary, &huge, WHOLE).unwrap();
    let full = handle.send(conn, Opcode::Binary, b"more", WHOLE);
    assert_eq!(full, Err(CallError::MailboxFull));
    assert_eq!(handle.buffered(conn), huge.len());
    drop(go);
    scene.client.hears(BINARY, &huge);
}

#[test]
fn a_callback_has_one_order_whatever_it_calls() {
    let mut scene = Scene::new(Limits::default());
    let long = "5".repeat(9000);
    let mixed: Vec<(u8, &str)> =
        ["1", "2", "3", "4", &long, "6", &long, "8"].map(|text| (TEXT, text)).to_vec();
    // Alone, twice together, and amidst messages that are answered the short way.
    scene.say(&["mixed"]);
    scene.expect(&mixed);
    scene.say(&["before", "mixed", "between", "mixed", "count", "after"]);
    scene.expect(&[(TEXT, "before")]);
    scene.expect(&mixed);
    scene.expect(&[(TEXT, "between")]);
    scene.expect(&mixed);
    scene.expect(&[(TEXT, &"x".repeat(50)), (TEXT, "after")]);
    assert!(scene.told().parse::<usize>().unwrap() >= 52, "counted at once");
    scene.say(&["first", "leave"]);
    scene.expect(&[(TEXT, "first"), (TEXT, "last")]);
    scene.client.hears(CLOSE, close(1000, ""));
    assert_eq!(scene.told(), "Err(Send(Closing))");
    assert_eq!(scene.dropped(), 0);
}

#[test]
fn the_later_stop_decides_how_long_is_waited() {
    let scene = Scene::new(Limits::default());
    let asked = Instant::now();
    scene.engine.stop(Duration::from_millis(100));
    scene.engine.stop(Duration::from_millis(700));
    std::thread::sleep(Duration::from_millis(300));
    // The same again counts anew.
    scene.engine.stop(Duration::from_millis(700));
    scene.engine.wait().unwrap();
    let took = asked.elapsed().as_millis();
    assert!((900..3000).contains(&took), "{took} ms");
    let scene = Scene::new(Limits::default());
    let asked = Instant::now();
    scene.engine.stop(Duration::from_secs(60));
    std::thread::sleep(Duration::from_millis(50));
    scene.engine.stop(Duration::from_millis(50));
    scene.engine.wait().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5));
}
