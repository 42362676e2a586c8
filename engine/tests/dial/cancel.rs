//! Connects that the application gives up, at each moment of their life.

use super::support::{Heard, Tells, echo, next, started, target};
use ringws_engine::conn::SendFlags;
use ringws_engine::engine::Engine;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{
    CallError, Closed, Conn, Context, DialId, Handler, NotConnected, Target,
};
use ringws_kit::{TEXT, accept, once, read_masked};
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

fn cancelled() -> Heard {
    Heard::Refused("cancelled".into(), 0, Vec::new(), 0)
}

/// Ends it in order: nothing more is heard.
fn silent_to_the_end(client: Engine, told: &Receiver<Heard>) {
    client.stop(Duration::ZERO);
    client.wait().expect("an orderly end");
    assert_eq!(told.try_recv().ok(), None, "nothing comes behind the end");
}

/// A server that does what it is told with the first who comes.
fn silent(then: impl FnOnce(TcpStream) + Send + 'static) -> String {
    format!("ws://127.0.0.1:{}/", once(then).0)
}

#[test]
fn before_anything_came_of_it_a_cancel_is_told() {
    let client = started(1);
    let (mut to, told) = target("ws://127.0.0.1:1/");
    to.retry_min_ms = 1;
    let (began, goes_on) = channel::<()>();
    // The reactor is held, so that both wait in its mailbox.
    let hold = Box::new(move |_: &mut Context| assert!(goes_on.recv().is_err()));
    client.handle().post(0, hold).expect("taken");
    let dial = client.connect(to).expect("taken");
    client.handle().cancel_connect(dial).expect("taken");
    drop(began);
    assert_eq!(next(&told), cancelled());
    client.handle().cancel_connect(dial).expect("a stale name is harmless");
    silent_to_the_end(client, &told);
}

#[test]
fn while_the_socket_is_being_connected_a_cancel_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    rustix::net::listen(&listener, 0).expect("a short backlog");
    let at = listener.local_addr().expect("bound");
    let _held = TcpStream::connect(at).expect("room for one");
    let client = started(1);
    let (to, told) = target(&format!("ws://{at}/"));
    let dial = client.connect(to).expect("taken");
    thread::sleep(Duration::from_millis(50));
    assert_eq!(told.try_recv().ok(), None);
    client.handle().cancel_connect(dial).expect("taken");
    assert_eq!(next(&told), cancelled());
    silent_to_the_end(client, &told);
}

#[test]
fn while_the_server_is_silent_a_cancel_is_told() {
    let (tell, ended) = channel();
    let url = silent(move |mut stream| {
        let mut head = [0; 4];
        stream.read_exact(&mut head).expect("a request");
        tell.send(()).expect("somebody listens");
        // The rest of it, until the client ends.
        let _ = stream.read_to_end(&mut Vec::new());
        tell.send(()).expect("somebody listens");
    });
    let client = started(1);
    let (mut to, told) = target(&url);
    to.retry_min_ms = 1;
    let dial = client.connect(to).expect("taken");
    ended.recv().expect("the request came");
    client.handle().cancel_connect(dial).expect("taken");
    assert_eq!(next(&told), cancelled());
    ended.recv_timeout(Duration::from_secs(10)).expect("the socket is closed");
    silent_to_the_end(client, &told);
}

#[test]
fn between_two_tries_a_cancel_is_told() {
    let client = started(1);
    let (mut to, told) = target("ws://127.0.0.1:1/");
    to.retry_min_ms = 60_000;
    to.retry_max_ms = 60_000;
    let dial = client.connect(to).expect("taken");
    assert!(matches!(next(&told), Heard::Refused(_, 0, _, 30_000..=60_000)));
    client.handle().cancel_connect(dial).expect("taken");
    assert_eq!(next(&told), cancelled());
    silent_to_the_end(client, &told);
}

#[test]
fn what_is_open_stays_so_and_is_not_made_again() {
    let url = silent(|mut stream| {
        accept(&mut stream);
        // The greeting and the word behind the cancel; then the end.
        for word in ["hello", "still"] {
            let frame = read_masked(&mut stream).expect("a word");
            assert_eq!(frame, (TEXT, word.into()));
        }
    });
    /// Gives its own connect up when it is open.
    struct GivesUp(Tells, std::sync::Mutex<Receiver<DialId>>);
    impl Handler for GivesUp {
        fn on_open(&self, ctx: &mut Context, conn: Conn) {
            self.0.on_open(ctx, conn);
            let dial = self.1.lock().expect("whole").recv().expect("a name");
            ctx.cancel_connect(dial).expect("it is this reactor's");
            let later = Box::new(move |ctx: &mut Context| {
                let plain = SendFlags::default();
                ctx.send(conn, Opcode::Text, b"still", plain).expect("open");
            });
            ctx.timer_start(Duration::from_millis(20), later);
        }
        fn on_close(&self, ctx: &mut Context, conn: Conn, closed: &mut Closed<'_>) {
            self.0.on_close(ctx, conn, closed);
        }
        fn on_refused(&self, ctx: &mut Context, why: &mut NotConnected<'_>) {
            self.0.on_refused(ctx, why);
        }
    }
    let client = started(1);
    let (tell, told) = channel();
    let (name, named) = channel();
    let handler = Arc::new(GivesUp(Tells(tell), named.into()));
    let mut to = Target::new(&url, handler).expect("a target");
    to.retry_min_ms = 1;
    name.send(client.connect(to).expect("taken")).expect("somebody listens");
    assert_eq!(next(&told), Heard::Open);
    assert_eq!(next(&told), Heard::Closed(1006, None));
    thread::sleep(Duration::from_millis(50));
    silent_to_the_end(client, &told);
}

/// A callback may ask for the next connect: it is begun without waiting for anything else.
#[test]
fn the_last_callback_may_connect_again() {
    let (_server, port) = echo();
    struct Next(Sender<Heard>, String);
    impl Handler for Next {
        fn on_refused(&self, ctx: &mut Context, _: &mut NotConnected<'_>) {
            let next = Target::new(&self.1, Arc::new(Tells(self.0.clone()))).expect("a target");
            ctx.connect(next).expect("taken");
        }
    }
    let client = started(1);
    let (tell, told) = channel();
    let handler = Arc::new(Next(tell, format!("ws://127.0.0.1:{port}/")));
    let url = silent(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    let dial = client.connect(Target::new(&url, handler).expect("a target")).expect("taken");
    thread::sleep(Duration::from_millis(50));
    client.handle().cancel_connect(dial).expect("taken");
    assert_eq!(next(&told), Heard::Open);
}

#[test]
fn names_of_nothing_are_harmless() {
    let client = started(2);
    let handle = client.handle();
    assert_eq!(handle.cancel_connect(DialId::from_bits(0)), Err(CallError::Gone));
    assert_eq!(handle.cancel_connect(DialId::from_bits(7 << 56 | 1)), Err(CallError::Gone));
    handle.cancel_connect(DialId::from_bits(1 << 56 | 99)).expect("handed over");
    let (tell, told) = channel();
    let job = Box::new(move |ctx: &mut Context| {
        let gone = ctx.cancel_connect(DialId::from_bits(1 << 56 | 99));
        tell.send(gone).expect("somebody listens");
    });
    handle.post(1, job).expect("taken");
    assert_eq!(told.recv().expect("told"), Err(CallError::Gone));
}
