//! Requests and their answers.

use super::running::{Echo, at, reactors, start, stats, until};
use super::service::{Asker, LARGE, serve};
use ringws_engine::config::Endpoint;
use ringws_engine::conn::Limits;
use ringws_kit::{Client, TEXT, field, read_to_end, request};
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_connection_asks_and_asks_and_becomes_a_websocket() {
    let (engine, port) = serve(Limits::default());
    let mut asker = Asker::connect(port);
    asker.gets("/a%20b?name=x%2By+z&name=no", 200, "GET /a%20b?name=x%2By+z&name=no /a b x+y z ");
    asker.gets("http://localhost/there", 200, "GET /there /there  ");
    asker.gets("/absent", 404, "");
    asker.say("PUT /t HTTP/1.1\r\nHost: a\r\nTag: one\r\nTag: two\r\n\r\n");
    assert_eq!(asker.answer().2, b"PUT /t /t  one+two");
    asker.ask("HEAD", "/large");
    let head = asker.head();
    assert_eq!(field(&head, "Content-Length"), Some(&*LARGE.to_string()), "{head}");
    asker.gets("/nothing", 204, "");
    asker.ask("OPTIONS", "*");
    assert_eq!(asker.answer().2, b"OPTIONS * *  ");
    let mut client = Client::open(asker.0);
    client.echoes(TEXT, "now a message");
    client.close();
    until(&engine, "all is over", |stats| stats.connections == 0);
    let stats = stats(&engine);
    assert_eq!((stats.requests, stats.requests_refused), (7, 0));
    assert_eq!((stats.accepted, stats.upgraded, stats.refused, stats.timeouts), (1, 1, 0, 0));
}

#[test]
fn bodies_come_whole_however_they_are_cut() {
    let (engine, port) = serve(Limits { body_max: 300_000, ..Limits::default() });
    let body: String = (0..60_000).map(|i| char::from(b'a' + (i % 23) as u8)).collect();
    let mut asker = Asker::connect(port);
    asker.say(&format!("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n{body}"));
    assert_eq!(asker.answer().2, body.as_bytes());
    asker.say("POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for part in body.as_bytes().chunks(7_001) {
        asker.say(&format!("{:x}\r\n{}\r\n", part.len(), str::from_utf8(part).unwrap()));
    }
    asker.say("0\r\n\r\n");
    assert_eq!(asker.answer().2, body.as_bytes());
    // RFC 9110 §10.1.1: the body is sent only when it is asked for.
    asker
        .say("POST /body HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(asker.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    asker.say("hello");
    assert_eq!(asker.answer().2, b"hello");
    asker.say("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 300001\r\n\r\n");
    assert_eq!(asker.answer().0, 413);
    asker.ends();
    until(&engine, "the refusal", |stats| (stats.requests, stats.requests_refused) == (3, 1));
}

#[test]
fn what_is_asked_at_once_is_answered_in_order() {
    let (engine, port) = serve(Limits::default());
    let mut asker = Asker::connect(port);
    let all: String = (0..500).map(|i| format!("GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    // With an upgrade behind them, and a message behind that.
    let mut bytes = format!("{all}{}", request("/", &[])).into_bytes();
    bytes.extend(ringws_kit::frame(TEXT, "early"));
    let mut writer = asker.0.try_clone().expect("a second handle");
    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
    for i in 0..500 {
        assert_eq!(asker.answer().2, format!("GET /{i} /{i}  ").into_bytes());
    }
    assert!(asker.head().starts_with("HTTP/1.1 101 "));
    writing.join().unwrap().expect("a server that reads");
    let (first, message) = ringws_kit::read_frame(&mut asker.0).expect("the echo");
    assert_eq!((first, &*message), (TEXT, &b"early"[..]));
    drop(asker);
    until(&engine, "the end", |stats| stats.connections == 0 && stats.requests == 500);
}

/// A peer that asks and does not read is not read: what waits for it is bounded.
#[test]
fn who_does_not_read_is_not_answered() {
    let (engine, port) = serve(Limits { send_queue_max: 1 << 20, ..Limits::default() });
    let mut asker = Asker::connect(port);
    let asked = 64;
    (0..asked).for_each(|_| asker.ask("GET", "/large"));
    until(&engine, "an answer", |stats| stats.requests > 0);
    std::thread::sleep(Duration::from_millis(300));
    let answered = stats(&engine).requests;
    // What the sockets hold and what the queue has: a few of 4 MiB, and by far not all.
    assert!(answered < 12, "{answered} answers wait");
    for _ in 0..asked {
        assert_eq!(asker.answer().2.len(), LARGE);
    }
    asker.gets("/absent", 404, "");
    assert_eq!(stats(&engine).requests, asked + 1);
}

#[test]
fn who_ends_his_direction_still_gets_his_answer() {
    let (engine, port) = serve(Limits::default());
    for target in ["/body", "/large"] {
        let mut asker = Asker::connect(port);
        asker.ask("GET", "/absent");
        asker.ask("GET", target);
        asker.half_close();
        assert_eq!(asker.answer().0, 404);
        assert_eq!(asker.answer().0, 200);
        asker.ends();
    }
    let mut asker = Asker::connect(port);
    asker.gets("/absent", 404, "");
    asker.half_close();
    asker.ends();
    until(&engine, "the end", |stats| stats.connections == 0 && stats.requests_refused == 0);
}

#[test]
fn a_connection_ends_when_it_is_told_to_or_idle() {
    let limits = Limits { idle_timeout_ms: 400, handshake_timeout_ms: 2_000, ..Limits::default() };
    let (engine, port) = serve(limits);
    for request in [
        "GET /absent HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
        "GET /absent HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ] {
        let (mut asker, begun) = (Asker::connect(port), Instant::now());
        asker.say(request);
        let (status, head, _) = asker.answer();
        assert_eq!((status, field(&head, "Connection")), (404, Some("close")));
        asker.ends();
        assert!(begun.elapsed() < Duration::from_millis(400), "at once");
    }
    let mut asker = Asker::connect(port);
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(200));
        asker.gets("/absent", 404, "");
    }
    let begun = Instant::now();
    asker.ends();
    assert!(begun.elapsed() >= Duration::from_millis(390), "{:?}", begun.elapsed());
    // The time of a request is its own: idle before, it has all of it.
    let mut asker = Asker::connect(port);
    asker.gets("/absent", 404, "");
    std::thread::sleep(Duration::from_millis(250));
    asker.say("GET /absent HTTP/1.1\r\n");
    std::thread::sleep(Duration::from_millis(700));
    asker.say("Host: a\r\n\r\n");
    assert_eq!(asker.answer().0, 404);
    asker.say("GET /absent HTTP/1.1\r\n");
    assert_eq!(asker.answer().0, 408);
    until(&engine, "the timeout", |stats| stats.timeouts == 1 && stats.connections == 0);
}

#[test]
fn without_requests_there_are_none() {
    let (engine, port) = start(reactors(1), Endpoint { ..at(Echo) });
    let mut asker = Asker::connect(port);
    asker.ask("GET", "/");
    let (status, head, body) = asker.answer();
    // RFC 9110 §15.5.22, §7.8.
    assert_eq!((status, field(&head, "Connection")), (426, Some("close, Upgrade")), "{head}");
    assert_eq!(field(&head, "Upgrade"), Some("websocket"));
    assert!(body.starts_with(b"426 no upgrade to WebSocket"), "{}", body.escape_ascii());
    asker.ends();
    until(&engine, "a refusal", |stats| (stats.requests, stats.requests_refused) == (0, 1));
}

#[test]
fn a_stop_ends_those_that_are_idle() {
    let (engine, port) = serve(Limits::default());
    let mut asker = Asker::connect(port);
    asker.gets("/absent", 404, "");
    engine.stop(Duration::from_secs(10));
    assert_eq!(read_to_end(&mut asker.0), b"");
    engine.wait().expect("the end");
}

/// A client that others have written, where there is one.
#[test]
fn curl_agrees() {
    if Command::new("curl").arg("--version").output().is_err() {
        return;
    }
    let (_engine, port) = serve(Limits::default());
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    let curl = |args: &[&str]| {
        let output = Command::new("curl").args(["-sS", "-m", "20"]).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let code = "%{http_code} %{num_connects}\n";
    let body = "x".repeat(60_000);
    assert_eq!(curl(&["-d", &body, &url("/body")]), body);
    let chunked = ["-H", "Transfer-Encoding: chunked", "-d", &body, &url("/body")];
    assert_eq!(curl(&chunked), body);
    assert_eq!(curl(&["-d", &body, "-H", "Expect: 100-continue", &url("/body")]), body);
    let twice = ["-w", code, &url("/absent"), &url("/nothing")];
    assert_eq!(curl(&twice), "404 1\n204 0\n", "one connection for both");
    let head = curl(&["-I", &url("/large"), "--next", "-sS", &url("/absent")]);
    assert!(head.contains(&format!("Content-Length: {LARGE}\r\n")), "{head}");
    assert_eq!(curl(&["--http1.0", "-w", code, &url("/absent")]), "404 1\n");
}
