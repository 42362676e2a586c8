//! §4.2.1 and §4.4: requests that are refused, each with its status.

use super::handshake::{accepted, request};
use ringws_engine::proto::Input;
use ringws_engine::proto::handshake::{InvalidHeader, Refusal, Request};
use ringws_engine::proto::head::HeadReader;

fn refusal(text: &[u8]) -> Refusal {
    let mut bytes = text.to_vec();
    let mut input = Input::new(&mut bytes);
    match HeadReader::new().feed(&mut input, 64 << 10) {
        Err(refusal) => refusal,
        Ok(Some(head)) => match Request::parse(head) {
            Err(refusal) => refusal,
            Ok(_) => panic!("accepted: {}", text.escape_ascii()),
        },
        Ok(None) => panic!("waits for more: {}", text.escape_ascii()),
    }
}

/// The status for the request of §1.2 with something replaced.
fn instead(this: &str, that: &str) -> u16 {
    let text = request("");
    assert!(text.contains(this), "{this}");
    refusal(text.replacen(this, that, 1).as_bytes()).status
}

fn with(more: &str) -> u16 {
    refusal(request(more).as_bytes()).status
}

#[test]
fn request_line() {
    for method in ["POST", "HEAD", "OPTIONS", "CONNECT", "get"] {
        assert_eq!(instead("GET", method), 405, "{method}");
    }
    for version in ["HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/3.1"] {
        assert_eq!(instead("HTTP/1.1", version), 505, "{version}");
    }
    for target in [
        "*",
        "chat",
        "/chat#there",
        "/ch\u{e4}t",
        "ftp://host/",
        "http:///chat",
        "http://",
        "http://user@host/",
        "ws://host?room=7",
        "host:443",
        "/a b",
        "/a\tb",
        "/a\0b",
        "/a\x7fb",
        "",
    ] {
        assert_eq!(instead("/chat?room=7", target), 400, "{target:?}");
    }
    assert_eq!(instead("/chat?room=7", &format!("/{}", "x".repeat(8 << 10))), 414);
    for broken in ["GET /\r\n\r\n", "\r\n\r\n", "\x16\x03\x01\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n"] {
        assert_eq!(refusal(broken.as_bytes()).status, 400, "{broken:?}");
    }
}

#[test]
fn host() {
    assert_eq!(instead("Host: server.example.com\r\n", ""), 400);
    assert_eq!(with("Host: server.example.com\r\n"), 400);
    for host in ["", "a, b", "a b", ":80", "user@host", "host/path", "a,b"] {
        assert_eq!(instead("server.example.com", host), 400, "{host:?}");
    }
}

#[test]
fn upgrade_and_connection() {
    // These ask for nothing of ours: ordinary requests (RFC 9110 §7.8).
    for (this, that) in [
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Upgrade: websocket", "Upgrade: websockets"),
        ("Upgrade: websocket", "Upgrade: web socket"),
        ("HTTP/1.1", "HTTP/1.0"),
    ] {
        accepted(&request("").replacen(this, that, 1), |r| assert!(!r.is_upgrade(), "{that}"));
    }
    accepted(&request(""), |r| assert!(r.is_upgrade() && r.is_complete()));
    assert_eq!(instead("Connection: Upgrade\r\n", ""), 400);
    assert_eq!(instead("Connection: Upgrade", "Connection: keep-alive"), 400);
    assert_eq!(instead("Connection: Upgrade", "Connection: Upgraded"), 400);
}

#[test]
fn key() {
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    assert_eq!(instead(&format!("Sec-WebSocket-Key: {key}\r\n"), ""), 400);
    assert_eq!(with(&format!("Sec-WebSocket-Key: {key}\r\n")), 400);
    for bad in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ==, x",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZTE=",
        "dGhlIHNhbXBsZSBub25jZTEy",
        "dGhlIHNhbXBsZSBub25jZ-==",
        "dGhlIHNhbXBs ZSBub25jZQ==",
    ] {
        assert_eq!(instead(key, bad), 400, "{bad:?}");
    }
}

/// §4.4: the answer names the version we speak.
#[test]
fn version() {
    for bad in ["8", "7", "777", "013", "13, 8", "", "0x0d", "-13"] {
        let text = request("").replace("Version: 13", &format!("Version: {bad}"));
        let refusal = refusal(text.as_bytes());
        assert_eq!(refusal.status, 426, "{bad:?}");
        let text = encoded(&refusal);
        assert!(text.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{text}");
    }
    assert_eq!(instead("Sec-WebSocket-Version: 13\r\n", ""), 426);
    assert_eq!(with("Sec-WebSocket-Version: 13\r\n"), 400);
}

/// RFC 9112 §6, §11: whatever two parties could read in two ways.
#[test]
fn smuggling() {
    for more in [
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 0, 5\r\n",
        "Content-Length: +0\r\n",
        "Content-Length:\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "X-Folded: a\r\n b\r\n",
        "X-Folded: a\r\n\tb\r\n",
        "X : a\r\n",
        " X: a\r\n",
        ": a\r\n",
        "X\r\n",
        "X Y: a\r\n",
        "X: a\0b\r\n",
        "X: a\x01b\r\n",
        "X: a\x7fb\r\n",
        "X: a\rb\r\n",
        "X: a\nY: b\r\n",
        "X\u{e9}: a\r\n",
    ] {
        assert_eq!(with(more), 400, "{more:?}");
    }
    let bare = request("").replace("\r\n", "\n");
    assert_eq!(refusal(bare.as_bytes()).status, 400);
    assert_eq!(refusal(b"GET / HTTP/1.1\r\nHost: a\r\n\n").status, 400);
    assert_eq!(refusal(b"\nGET / HTTP/1.1\r\n").status, 400);
}

#[test]
fn subprotocols() {
    for bad in ["", ",", " , ,", "a b", "a/b", "a, a", "a,, a", "\"a\"", "\u{e9}"] {
        assert_eq!(with(&format!("Sec-WebSocket-Protocol: {bad}\r\n")), 400, "{bad:?}");
    }
    let twice = "Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c, b\r\n";
    assert_eq!(with(twice), 400);
    // What once took a server's regular expression minutes.
    assert_eq!(with(&format!("Sec-WebSocket-Protocol: b{}x\r\n", " ".repeat(32_000))), 400);
}

#[test]
fn too_much() {
    let more: String = (0..96).map(|i| format!("X-{i}: {i}\r\n")).collect();
    assert_eq!(with(&more), 431);
    let more: String = (0..2_001).map(|_| "X: y\r\n").collect();
    assert_eq!(with(&more), 431);
    assert_eq!(with(&format!("X: {}\r\n", "y".repeat(64 << 10))), 431);
    // The limit counts the whole head.
    let text = request("");
    for (max, fits) in [(text.len(), true), (text.len() - 1, false), (0, false)] {
        let mut bytes = text.clone().into_bytes();
        let found = HeadReader::new().feed(&mut Input::new(&mut bytes), max);
        assert_eq!(
            found.map(|head| head.is_some()).map_err(|r| r.status),
            match fits {
                true => Ok(true),
                false => Err(431),
            }
        );
    }
}

fn encoded(refusal: &Refusal) -> String {
    let mut out = Vec::new();
    refusal.encode(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_answer() {
    assert_eq!(
        encoded(&Refusal::new(404)),
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Type: text/plain\r\n\
         Content-Length: 14\r\n\r\n404 Not Found\n"
    );
    let mut refusal = Refusal::new(503).because("later");
    refusal.add_header("Retry-After", b"5").unwrap();
    for (name, value) in [("Connection", "x"), ("Content-Length", "0"), ("X", "a\r\nb: c")] {
        assert_eq!(refusal.add_header(name, value.as_bytes()), Err(InvalidHeader));
    }
    assert_eq!(refusal.reason(), "later");
    assert_eq!(
        encoded(&refusal),
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n\
         Content-Type: text/plain\r\nContent-Length: 10\r\n\r\n503 later\n"
    );
    // RFC 9110 §15.5.6 and §15.5.22: what must come with these.
    assert!(encoded(&Refusal::new(405)).contains("\r\nAllow: GET\r\n"));
    let text = encoded(&Refusal::new(426));
    assert!(text.contains("\r\nConnection: close, Upgrade\r\nUpgrade: websocket\r\n"), "{text}");
    // Never an answer that could be taken for success.
    for status in [0, 101, 200, 299, 600, 65_535] {
        let text = encoded(&Refusal::new(status).with_body("<html>"));
        assert!(text.starts_with("HTTP/1.1 500 ") && !text.contains("<html>"), "{text}");
    }
    let mut moved = Refusal::new(302);
    moved.add_header("Location", b"/there").unwrap();
    moved.add_header("Content-Type", b"text/html").unwrap();
    let head = "HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: /there\r\n\
                Content-Type: text/html\r\nContent-Length: ";
    assert_eq!(encoded(&moved), format!("{head}10\r\n\r\n302 Found\n"));
    assert_eq!(encoded(&moved.with_body("<p>")), format!("{head}3\r\n\r\n<p>"));
}
