//! Connections of all kinds go, with what makes them what they are; and who is no successor.

use crate::app::{App, Old, at_once, pair};
use crate::service::{at_of, reactors, stats};
use ringws_engine::config::{Address, Endpoint, Proxies, Route};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::{Engine, Error};
use ringws_engine::proto::{CloseCode, Opcode, Origins};
use ringws_engine::reactor::{Conn, Context, Handler, Message};
use ringws_engine::succession::SuccessionError;
use ringws_kit::{Client, TEXT, tcp, until};
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Says what it knows of a connection.
#[derive(Default)]
struct Knows {
    name: &'static str,
    taken: Mutex<Vec<Conn>>,
}

impl Knows {
    fn named(name: &'static str) -> Arc<Self> {
        Arc::new(Self { name, ..Self::default() })
    }
}

impl Handler for Knows {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let text = match message.payload {
            b"pause" => {
                ctx.pause(conn).expect("open");
                "paused".to_owned()
            }
            b"where" => self.name.to_owned(),
            b"peer" => ctx.peer(conn).map_or("none".into(), |peer| peer.to_string()),
            b"who" => {
                let who = ctx.credentials(conn).expect("of a Unix socket");
                format!("{} {} {}", who.pid, who.uid, who.gid)
            }
            other => String::from_utf8_lossy(other).into_owned(),
        };
        ctx.send(conn, Opcode::Text, text.as_bytes(), SendFlags::default()).expect("room");
    }

    fn on_hand_over(&self, _: &mut Context, _: Conn) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn on_taken_over(&self, _: &mut Context, conn: Conn, _: &[u8]) {
        self.taken.lock().expect("whole").push(conn);
    }
}

fn serve(endpoints: Vec<Endpoint>) -> (Engine, Vec<u16>) {
    let engine = Engine::new(reactors(2)).expect("an engine");
    let listen = |at| engine.listen(at).expect("it listens");
    let ports = endpoints.into_iter().map(listen).collect();
    engine.start().expect("io_uring");
    (engine, ports)
}

/// Takes an engine's place with these.
fn succeed(old: &Engine, endpoints: Vec<Endpoint>) -> Engine {
    let (ours, theirs) = pair();
    old.hand_over(ours, at_once()).map_err(|(error, _)| error).expect("it runs");
    let new = Engine::new(reactors(2)).expect("an engine");
    new.take_over(theirs, Duration::from_secs(5)).expect("a greeting");
    endpoints.into_iter().for_each(|at| _ = new.listen(at).expect("its sockets"));
    new.start().expect("io_uring");
    new
}

fn says<S: std::io::Read + Write>(client: &mut Client<S>, word: &str, answer: &str) {
    client.send(TEXT, word);
    client.hears(TEXT, answer);
}

/// What comes meanwhile waits until the application of the new process wants it.
#[test]
fn who_is_paused_stays_so() {
    let (old, ports) = serve(vec![at_of(Knows::named("old"))]);
    let mut client = Client::connect(ports[0]);
    says(&mut client, "pause", "paused");
    let knows = Knows::named("new");
    let taken = Arc::clone(&knows);
    let new = succeed(&old, vec![at_of(knows)]);
    until("it has gone", || taken.taken.lock().expect("whole").len() == 1);
    client.send(TEXT, "where");
    client.stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
    assert!(client.try_receive().is_err(), "it is not read");
    let conn = taken.taken.lock().expect("whole")[0];
    new.handle().set_paused(conn, false).expect("open");
    client.stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    client.hears(TEXT, "new");
    old.wait().expect("it has ended");
}

/// It is not young again: it ends when it would have ended.
#[test]
fn a_lifetime_goes_on() {
    let lifetime_code = CloseCode(4_001);
    let limits = Limits { lifetime_max_ms: 2_000, lifetime_code, ..Limits::default() };
    let of = |name| Endpoint { limits, ..at_of(Knows::named(name)) };
    let begun = Instant::now();
    let (old, ports) = serve(vec![of("old")]);
    let mut client = Client::connect(ports[0]);
    says(&mut client, "where", "old");
    std::thread::sleep(Duration::from_millis(1_000));
    let new = succeed(&old, vec![of("new")]);
    until("it has gone", || stats(&new).taken_over == 1);
    says(&mut client, "where", "new");
    client.closed_with(4_001);
    // Nine tenths of it at the earliest, and all of it with what a busy machine takes.
    let age = begun.elapsed().as_millis();
    assert!((1_800..2_700).contains(&age), "{age} ms");
}

/// Each at the route of its path, wherever that stands in the new process; one whose route is no
/// more stays, and is drained.
#[test]
fn routes_are_found_by_their_paths() {
    let route = |pattern: &str, name| Route {
        pattern: pattern.into(),
        handler: Knows::named(name),
        limits: Limits::default(),
        origins: Origins::Any,
        user: 0,
    };
    let routes = vec![route("/a", "a"), route("/b/{name}", "b"), route("/gone", "gone")];
    let (old, ports) = serve(vec![Endpoint { routes, ..at_of(Knows::named("home")) }]);
    let open = |target| Client::open_with(tcp(ports[0]), target, &[]);
    let mut all = [("/a", "a"), ("/b/x", "b"), ("/", "home")].map(|(target, name)| {
        let mut client = open(target);
        says(&mut client, "where", name);
        (client, format!("new {name}"))
    });
    let mut gone = open("/gone");
    says(&mut gone, "where", "gone");
    let routes = vec![route("/c", "c"), route("/b/{name}", "new b"), route("/a", "new a")];
    let new = succeed(&old, vec![Endpoint { routes, ..at_of(Knows::named("new home")) }]);
    until("they have gone", || stats(&new).taken_over == 3);
    all.iter_mut().for_each(|(client, name)| says(client, "where", name));
    gone.closed_with(1012);
}

fn path(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("ringws-moves-{name}-{}.sock", std::process::id()))
}

/// The file stays where it is, with whoever waits at it, and whose a connection is goes along.
#[test]
fn the_path_of_a_unix_socket_is_taken_over() {
    let path = path("path");
    let at = |name| Endpoint { address: Address::Unix(path.clone()), ..at_of(Knows::named(name)) };
    let (old, _) = serve(vec![at("old")]);
    let mut client = Client::connect_unix(&path);
    says(&mut client, "where", "old");
    let who = {
        client.send(TEXT, "who");
        String::from_utf8(client.receive().1).expect("text")
    };
    assert!(who.starts_with(&format!("{} ", std::process::id())), "{who}");
    let new = succeed(&old, vec![at("new")]);
    until("it has gone", || stats(&new).taken_over == 1);
    says(&mut client, "where", "new");
    says(&mut client, "who", &who);
    drop(client);
    old.wait().expect("it has ended");
    drop(old);
    says(&mut Client::connect_unix(&path), "where", "new");
    drop(new);
    assert!(!path.exists(), "it was the new one's to remove");
}

/// Whose it is was told by its proxy once, and is known over there. Others still have to be told.
#[test]
fn what_a_proxy_has_told_goes_along() {
    let proxied = |name| {
        let proxies = Some(Proxies::parse("127.0.0.0/8").expect("a network"));
        Endpoint { proxies, ..at_of(Knows::named(name)) }
    };
    let (old, ports) = serve(vec![proxied("old")]);
    let connect = || {
        let mut stream = tcp(ports[0]);
        let line = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n";
        stream.write_all(line).expect("heard");
        Client::open(stream)
    };
    let mut client = connect();
    says(&mut client, "peer", "192.0.2.7:40000");
    let new = succeed(&old, vec![proxied("new")]);
    until("it has gone", || stats(&new).taken_over == 1);
    says(&mut client, "where", "new");
    says(&mut client, "peer", "192.0.2.7:40000");
    let mut other = connect();
    says(&mut other, "where", "new");
    says(&mut other, "peer", "192.0.2.7:40000");
}

/// The kernel tells whose the process at the other end is (unix(7), `SO_PEERCRED`), in both
/// processes. One thread of ours becomes another user's, if it may.
#[test]
fn another_user_is_no_successor_and_no_predecessor() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let old = Old::start(App::default());
    let door = path("door");
    let listener = UnixListener::bind(&door).expect("a door");
    std::os::unix::fs::chown(&door, Some(65_534), None).expect("it is ours");
    let nobody = std::thread::spawn({
        let door = door.clone();
        move || {
            let nobody = rustix::process::Uid::from_raw(65_534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("it may");
            UnixStream::connect(&door).expect("a door")
        }
    });
    let (visitor, _) = listener.accept().expect("somebody");
    let _theirs = nobody.join().expect("it ends");
    let copy = visitor.try_clone().expect("a copy");
    let Err((error, _)) = old.engine.hand_over(copy.into(), at_once()) else {
        panic!("to a stranger")
    };
    assert!(matches!(error, Error::Succession(SuccessionError::Stranger(65_534))), "{error}");
    let new = Engine::new(reactors(1)).expect("an engine");
    let error = new.take_over(visitor.into(), Duration::from_secs(1)).expect_err("of a stranger");
    assert!(matches!(error, Error::Succession(SuccessionError::Stranger(65_534))), "{error}");
    let _ = std::fs::remove_file(&door);
    Client::connect(old.port).echoes(TEXT, "0");
}
