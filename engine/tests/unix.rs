//! Unix sockets: whose path it is, and that the end of a stream is seen.
#![cfg(feature = "uring")]

#[path = "support/service.rs"]
mod service;

use ringws_engine::config::{Address, Config, Endpoint, Proxies};
use ringws_engine::conn::SendFlags;
use ringws_engine::engine::{Engine, Error};
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::reactor::{Closed, Conn, Context, Handler, Message, Upgrade};
use ringws_engine::ring::{Credentials, Errno};
use ringws_kit::{BINARY, CLOSE, Client, Frame, close, frame, read_to_end};
use service::reactors;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Echoes, and tells of each end with its code.
struct Echo(Mutex<Sender<u16>>);

impl Handler for Echo {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).expect("room");
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        let _ = self.0.lock().expect("whole").send(closed.info.code.0);
    }
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ringws-{name}-{}.sock", std::process::id()))
}

fn listen(path: &Path) -> Result<(Engine, Receiver<u16>), Error> {
    let config = Config { recv_buffers: 64, ..reactors(2) };
    let engine = Engine::new(config)?;
    let (tell, told) = channel();
    let address = Address::Unix(path.to_owned());
    engine.listen(Endpoint { address, ..Endpoint::new(0, Arc::new(Echo(tell.into()))) })?;
    Ok((engine, told))
}

fn in_use(found: Result<(Engine, Receiver<u16>), Error>) -> bool {
    matches!(found.err(), Some(Error::System { source: Errno::ADDRINUSE, .. }))
}

/// An open connection, over which one word has come back.
fn open(path: &Path) -> Client<UnixStream> {
    let mut client = Client::connect_unix(path);
    client.echoes(BINARY, "x");
    client
}

/// Its file has the mode that was asked for, whatever the umask; what is none is refused.
#[test]
fn the_file_has_its_mode() {
    let path = path("mode");
    let listen = |mode| {
        let engine = Engine::new(reactors(1))?;
        let (tell, _told) = channel();
        let address = Address::Unix(path.clone());
        let endpoint = Endpoint::new(0, Arc::new(Echo(tell.into())));
        engine.listen(Endpoint { address, mode, ..endpoint }).map(|_| engine)
    };
    for mode in [0o600, 0o666, 0o777] {
        let engine = listen(mode).expect("a free path");
        let found = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(found & 0o7777, mode);
        drop(engine);
    }
    assert!(matches!(listen(0o1000), Err(Error::Invalid(text)) if text.starts_with("mode")));
    let engine = Engine::new(reactors(1)).expect("an engine");
    let (tell, _told) = channel();
    let tcp = Endpoint::new(0, Arc::new(Echo(tell.into())));
    assert!(matches!(engine.listen(Endpoint { mode: 0o600, ..tcp }), Err(Error::Invalid(_))));
    // A backlog is that of a socket of ours.
    let (tell, _told) = channel();
    let given = UnixListener::bind(self::path("mode")).expect("a free path");
    let endpoint = Endpoint::new(0, Arc::new(Echo(tell.into())));
    let address = Address::Given(Arc::new(given.into()));
    let asked = engine.listen(Endpoint { address, backlog: 7, ..endpoint });
    assert!(matches!(asked, Err(Error::Invalid(text)) if text.starts_with("backlog")));
}

#[test]
fn a_live_path_is_not_taken_over() {
    let path = path("live");
    let (first, _told) = listen(&path).expect("a free path");
    assert!(in_use(listen(&path)), "before its start");
    first.start().expect("io_uring");
    assert!(in_use(listen(&path)), "and after it");
    open(&path);
    drop(first);
    assert!(!path.exists());
}

#[test]
fn what_has_ended_is_replaced_and_nothing_else() {
    let path = path("dead");
    drop(UnixListener::bind(&path).expect("a free path"));
    assert!(path.exists(), "left behind");
    let (engine, _told) = listen(&path).expect("a path that nobody listens on");
    engine.start().expect("io_uring");
    open(&path);
    drop(engine);
    assert!(!path.exists());

    std::fs::write(&path, "of somebody else").expect("written");
    assert!(in_use(listen(&path)), "a file");
    assert_eq!(std::fs::read(&path).expect("still there"), b"of somebody else");
    std::fs::remove_file(&path).expect("removed");
    let dead = path.with_extension("target");
    drop(UnixListener::bind(&dead).expect("a free path"));
    std::os::unix::fs::symlink(&dead, &path).expect("a link");
    assert!(in_use(listen(&path)), "a link");
    assert!(dead.exists());
    std::fs::remove_file(&path).expect("removed");
    std::fs::remove_file(&dead).expect("removed");
}

/// Whoever listens there with a backlog that is full lives.
#[test]
fn a_full_backlog_is_a_sign_of_life() {
    let path = path("full");
    let listener = UnixListener::bind(&path).expect("a free path");
    rustix::net::listen(&listener, 0).expect("a short backlog");
    let _held = UnixStream::connect(&path).expect("room for one");
    assert!(in_use(listen(&path)));
    drop(listener);
    std::fs::remove_file(&path).expect("removed");
}

#[test]
fn only_our_own_file_is_removed() {
    let path = path("moved");
    let (first, _told) = listen(&path).expect("a free path");
    first.start().expect("io_uring");
    first.stop(Duration::ZERO);
    first.wait().expect("an orderly end");
    // Its sockets are closed, so that the path can be had; its file has no number that the second
    // one's could be given.
    let (second, _told) = listen(&path).expect("a path that nobody listens on");
    second.start().expect("io_uring");
    drop(first);
    open(&path);
    std::fs::remove_file(&path).expect("removed by hand");
    drop(second);
    assert!(!path.exists());
}

/// Tells who asks, and who it is that is open.
struct Who;

impl Who {
    fn text(who: Option<Credentials>) -> Vec<u8> {
        format!("{who:?}").into_bytes()
    }
}

impl Handler for Who {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        upgrade.add_header("X-Who", &Self::text(upgrade.credentials())).expect("a header");
        Ok(())
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let who = Self::text(ctx.credentials(conn));
        ctx.send(conn, message.opcode, &who, SendFlags::default()).expect("room");
    }
}

/// And behind a proxy nobody passes for the proxy.
#[test]
fn who_connects_is_known() {
    let path = path("who");
    let engine = Engine::new(reactors(1)).expect("an engine");
    let endpoint = Endpoint::new(0, Arc::new(Who));
    let proxies = Some(Proxies::parse("unix").expect("a list"));
    let behind = path.with_extension("behind");
    let address = Address::Unix(behind.clone());
    engine.listen(Endpoint { address, proxies, ..endpoint.clone() }).expect("a free path");
    engine.listen(Endpoint { address: Address::Unix(path.clone()), ..endpoint }).expect("the same");
    engine.start().expect("io_uring");
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    let (pid, uid, gid) = (std::process::id() as i32, uid.as_raw(), gid.as_raw());
    let this = format!("{:?}", Some(Credentials { pid, uid, gid }));
    for (path, header, who) in [
        (&path, "", &*this),
        (&behind, "PROXY UNKNOWN\r\n", &this),
        (&behind, "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n", "None"),
    ] {
        let mut stream = ringws_kit::unix(path);
        stream.write_all(header.as_bytes()).expect("room");
        let mut client = Client::open(stream);
        assert_eq!(ringws_kit::field(client.head(), "X-Who"), Some(who), "{header}");
        client.send(BINARY, "");
        client.hears(BINARY, who);
    }
}

/// Lost by some kernels under a multishot receive: by a shutdown of one direction, by a close, with
/// data just before it and without.
#[test]
fn the_end_of_a_stream_is_seen() {
    let path = path("end");
    let (engine, told) = listen(&path).expect("a free path");
    engine.start().expect("io_uring");
    let ended = || told.recv_timeout(Duration::from_secs(5)).expect("the end is seen");
    let (whole, cut) = (frame(BINARY, "y"), Frame::new(BINARY, "cut").declares(5).bytes());
    for last in [&[][..], &whole, &cut] {
        let mut client = open(&path);
        client.write(last);
        client.half_close();
        assert_eq!(ended(), 1006);
        let rest = read_to_end(&mut client.stream);
        assert_eq!(rest.starts_with(b"\x82\x01y"), last == whole);

        let mut client = open(&path);
        client.write(last);
        drop(client);
        assert_eq!(ended(), 1006);
    }
    let mut client = open(&path);
    client.send(CLOSE, close(1000, ""));
    client.half_close();
    assert_eq!(ended(), 1000);
}
