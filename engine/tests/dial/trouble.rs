//! Nobody there, proxies, retries, and an engine that stops.

use super::support::{Heard, Tells, echo, engine, next, started, target};
use ringws_engine::config::Config;
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{CallError, Context, Handler, NotConnected, Target, TargetError};
use ringws_kit::{once, read_head, tcp};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A port that nobody listens on.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("ws://{}/", listener.local_addr().expect("bound"))
}

/// A listener that answers no connection, since its backlog is full; what keeps it so.
fn black_hole() -> (String, TcpListener, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    rustix::net::listen(&listener, 0).expect("a short backlog");
    let at = listener.local_addr().expect("bound");
    let held = TcpStream::connect(at).expect("room for one");
    (format!("ws://{at}/"), listener, held)
}

fn error(heard: Heard) -> String {
    match heard {
        Heard::Refused(error, ..) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_a_target_is_refused_at_once() {
    let handler = || Arc::new(Tells(channel().0));
    for url in ["http://a/", "ws://u@a/", "ws://a/#x", "ws://a\r\n/"] {
        assert!(matches!(Target::new(url, handler()), Err(TargetError::Url(_))), "{url}");
    }
    let idle = engine(1);
    let stopped = Err(TargetError::Call(CallError::Stopped));
    assert_eq!(idle.connect(target("ws://127.0.0.1:1/").0), stopped);
    let client = started(1);
    let mut other = target("ws://127.0.0.1:1/").0;
    other.reactor = Some(1);
    assert_eq!(client.connect(other), Err(TargetError::Call(CallError::Gone)));
    let mut wrong = target("ws://127.0.0.1:1/").0;
    wrong.limits.head_max = 1;
    assert!(matches!(client.connect(wrong), Err(TargetError::Limits(_))));
}

#[test]
fn that_nobody_is_there_is_said() {
    let client = started(1);
    let (to, told) = target(&nobody());
    client.connect(to).expect("taken");
    assert!(error(next(&told)).contains("refused"));
    let (to, told) = target("ws://no-such-name.invalid/");
    client.connect(to).expect("taken");
    assert!(error(next(&told)).starts_with("name not found"));
}

#[test]
fn who_does_not_answer_times_out() {
    let (url, _listener, _held) = black_hole();
    let client = started(1);
    let (mut to, told) = target(&url);
    to.connect_timeout_ms = 100;
    let start = Instant::now();
    client.connect(to).expect("taken");
    assert_eq!(error(next(&told)), "timed out");
    assert!(start.elapsed() >= Duration::from_millis(100));
    client.stop(Duration::ZERO);
    client.wait().expect("an orderly end");
}

#[test]
fn a_stop_tells_each_that_is_being_connected() {
    let (url, _listener, _held) = black_hole();
    let client = started(1);
    let (mut to, told) = target(&url);
    to.retry_min_ms = 1;
    for _ in 0..20 {
        client.connect(to.clone()).expect("taken");
    }
    thread::sleep(Duration::from_millis(30));
    client.stop(Duration::from_secs(5));
    client.wait().expect("an orderly end");
    drop(to);
    let all: Vec<Heard> = told.iter().collect();
    assert_eq!(all.len(), 20);
    for heard in all {
        assert_eq!(heard, Heard::Refused("the engine is stopping".into(), 0, Vec::new(), 0));
    }
}

#[test]
fn a_reactor_has_room_for_so_many() {
    let (_server, port) = echo();
    let config = Config { connections_max: 2, ..super::service::reactors(1) };
    let client = Engine::new(config).expect("an engine");
    client.start().expect("io_uring");
    struct Stays(Sender<bool>);
    impl Handler for Stays {
        fn on_open(&self, _: &mut Context, _: ringws_engine::reactor::Conn) {
            self.0.send(true).expect("somebody listens");
        }
        fn on_refused(&self, _: &mut Context, why: &mut NotConnected<'_>) {
            assert_eq!(why.error.to_string(), "no connection is free on this reactor");
            self.0.send(false).expect("somebody listens");
        }
    }
    let (tell, told) = channel();
    let to = Target::new(&format!("ws://127.0.0.1:{port}/"), Arc::new(Stays(tell))).expect("one");
    for _ in 0..5 {
        client.connect(to.clone()).expect("taken");
    }
    let wait = || told.recv_timeout(Duration::from_secs(20)).expect("told");
    let open = (0..5).filter(|_| wait()).count();
    assert_eq!(open, 2);
}

/// Tries three times, then stops it by itself.
struct Thrice(Sender<u32>, std::sync::atomic::AtomicU32);

impl Handler for Thrice {
    fn on_refused(&self, _: &mut Context, why: &mut NotConnected<'_>) {
        let before = self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.send(why.retry_ms).expect("somebody listens");
        why.retry_ms = if before < 2 { 1 } else { 0 };
    }
}

#[test]
fn the_application_decides_about_retries() {
    let client = started(1);
    let (tell, told) = channel();
    let mut to = Target::new(&nobody(), Arc::new(Thrice(tell, 0.into()))).expect("a target");
    to.retry_min_ms = 1_000;
    to.retry_max_ms = 2_000;
    client.connect(to).expect("taken");
    let delays: Vec<u32> = told.iter().take(3).collect();
    assert!((500..=1_000).contains(&delays[0]), "{delays:?}");
    assert!(delays[1..].iter().all(|delay| (1_000..=2_000).contains(delay)), "{delays:?}");
    let gone = told.recv_timeout(Duration::from_secs(20));
    assert!(gone.is_err(), "the handler is given up");
}

#[test]
fn a_lost_connection_is_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("bound"));
    let client = started(1);
    let (mut to, told) = target(&url);
    to.retry_min_ms = 2;
    client.connect(to).expect("taken");
    for _ in 0..3 {
        drop(listener.accept().expect("it comes again"));
        assert!(matches!(next(&told), Heard::Refused(_, 0, _, 1..)));
    }
    client.stop(Duration::ZERO);
    client.wait().expect("an orderly end");
}

/// Answers one CONNECT, and joins both sides if it is the right one.
fn proxy(expected: String, answer: &'static [u8], to: u16) -> u16 {
    let (port, _) = once(move |mut near| {
        assert_eq!(read_head(&mut near).expect("a request"), expected);
        near.write_all(answer).expect("taken");
        if !answer.starts_with(b"HTTP/1.1 200") {
            return;
        }
        let far = tcp(to);
        let (mut a, mut b) = (near.try_clone().expect("one"), far.try_clone().expect("one"));
        thread::spawn(move || std::io::copy(&mut a, &mut b));
        let (mut far, mut near) = (far, near);
        let _ = std::io::copy(&mut far, &mut near);
        let _ = near.shutdown(std::net::Shutdown::Both);
    });
    port
}

#[test]
fn a_proxy_is_asked_and_its_refusal_told() {
    let (_server, port) = echo();
    let client = started(1);
    let request = format!(
        "CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\
         Proxy-Authorization: Basic dTpw\r\n\r\n"
    );
    let at = proxy(request.clone(), b"HTTP/1.1 200 Connected\r\n\r\n", port);
    let (mut to, told) = target(&format!("ws://127.0.0.1:{port}/"));
    to.through(&format!("http://u:p@127.0.0.1:{at}")).expect("a proxy");
    client.connect(to).expect("taken");
    let closed = Heard::Closed(1000, Some(1000));
    for expected in [Heard::Open, Heard::Message(b"hello".to_vec()), closed] {
        assert_eq!(next(&told), expected);
    }

    let at = proxy(request, b"HTTP/1.1 407 No\r\nContent-Length: 3\r\n\r\nwho", port);
    let (mut to, told) = target(&format!("ws://127.0.0.1:{port}/"));
    to.through(&format!("http://u:p@127.0.0.1:{at}")).expect("a proxy");
    client.connect(to).expect("taken");
    let text = "proxy: answered with status 407".into();
    assert_eq!(next(&told), Heard::Refused(text, 407, b"who".to_vec(), 0));
}

/// Accepts and says nothing: the time to connect includes the proxy.
#[test]
fn a_proxy_that_says_nothing_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("bound");
    let client = started(1);
    let (mut to, told) = target("ws://example.invalid/");
    to.through(&format!("http://{at}")).expect("a proxy");
    to.connect_timeout_ms = 100;
    client.connect(to).expect("taken");
    assert_eq!(error(next(&told)), "timed out");
}
