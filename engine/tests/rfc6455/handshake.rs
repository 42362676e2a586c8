//! §4.2: requests that are accepted, and the answer to them.

use ringws_engine::proto::Input;
use ringws_engine::proto::handshake::{InvalidHeader, Request, Response};
use ringws_engine::proto::head::HeadReader;

/// The request of §1.2, with the lines in `more`.
pub(crate) fn request(more: &str) -> String {
    format!(
        "GET /chat?room=7 HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// Parses a request that must be accepted, and hands it to `f`.
pub(crate) fn accepted<T>(text: &str, f: impl FnOnce(&Request<'_>) -> T) -> T {
    let mut bytes = text.as_bytes().to_vec();
    let head = HeadReader::new().feed(&mut Input::new(&mut bytes), 1 << 16).unwrap().unwrap();
    f(&Request::parse(head).unwrap())
}

fn answer(r: &Request<'_>, response: &Response) -> String {
    let mut out = Vec::new();
    response.encode(r, &mut out);
    String::from_utf8(out).unwrap()
}

/// §1.3: the key of the example and its answer, and nothing that was not asked for.
#[test]
fn section_1_3_example() {
    let offers = "Sec-WebSocket-Protocol: chat, superchat\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate\r\nOrigin: http://example.com\r\n";
    accepted(&request(offers), |r| {
        assert_eq!(r.target(), "/chat?room=7");
        assert_eq!(
            answer(r, &Response::default()),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    });
}

/// More keys whose answers were computed elsewhere (coreutils' sha1sum and base64).
#[test]
fn section_4_2_2_accept_vectors() {
    for (key, accept) in [
        ("AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="),
        ("x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="),
        // The example of §4.1 (7), with unused bits that are not 0: the text as sent is hashed.
        ("AQIDBAUGBwgJCgsMDQ4PEC==", "OfS0wDaT5NoxF2gqm7Zj2YtetzM="),
    ] {
        let text = request("").replace("dGhlIHNhbXBsZSBub25jZQ==", key);
        let found = accepted(&text, |r| answer(r, &Response::default()));
        assert!(found.contains(&format!("Sec-WebSocket-Accept: {accept}\r\n")), "{found}");
    }
}

/// §4.2.1 and RFC 9110 §5: what is written in another way is still the same.
#[test]
fn section_4_2_1_other_ways_to_write_it() {
    let same: [(&str, &str); 10] = [
        ("Upgrade: websocket", "UPGRADE: WebSocket"),
        ("Upgrade: websocket", "Upgrade: h2c, websocket"),
        ("Upgrade: websocket", "Upgrade: h2c\r\nupgrade:\twebsocket \t"),
        ("Upgrade: websocket", "Upgrade: ,, websocket,"),
        ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ("Connection: Upgrade", "Connection: keep-alive\r\nconnection: ,upgrade,"),
        ("Host: server.example.com", "host:   [2001:db8::1]:9001  "),
        ("/chat?room=7", "http://server.example.com/chat?room=7"),
        ("/chat?room=7", "WSS://server.example.com:443/chat?room=7"),
        ("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n"),
    ];
    for (this, that) in same {
        let text = request("").replace(this, that);
        accepted(&text, |r| assert_eq!(r.target(), "/chat?room=7", "{text}"));
    }
    let text = request("").replace("/chat?room=7", "ws://server.example.com");
    accepted(&text, |r| assert_eq!(r.target(), "/"));
    // RFC 9112 §2.2: an empty line in front of a request.
    accepted(&format!("\r\n{}", request("")), |r| assert_eq!(r.target(), "/chat?room=7"));
}

#[test]
fn headers_are_found_whatever_their_case() {
    let more = "Cookie: a=b\r\ncookie: c=d\r\nX-Empty:\r\nX-Bytes: \u{e9}\r\n";
    accepted(&request(more), |r| {
        assert_eq!(r.header("COOKIE"), Some(&b"a=b"[..]));
        assert_eq!(r.header("x-empty"), Some(&b""[..]));
        assert_eq!(r.header("X-Bytes"), Some("\u{e9}".as_bytes()));
        assert_eq!(r.header("X-Absent"), None);
        let all: Vec<_> = r.headers().collect();
        assert_eq!(all.len(), 9);
        assert_eq!(all[0], ("Host", &b"server.example.com"[..]));
        assert_eq!(all[6], ("cookie", &b"c=d"[..]));
    });
}

#[test]
fn a_hundred_headers() {
    let more: String = (0..95).map(|i| format!("X-{i}: {i}\r\n")).collect();
    accepted(&request(&more), |r| {
        assert_eq!(r.headers().count(), 100);
        assert_eq!(r.header("x-94"), Some(&b"94"[..]));
    });
}

/// §4.2.2, 5: a subprotocol is answered when it was chosen, and chosen only from the offer.
#[test]
fn section_4_2_2_subprotocols() {
    let offers = "Sec-WebSocket-Protocol: chat, superchat\r\nsec-websocket-protocol: v2.x\r\n";
    accepted(&request(offers), |r| {
        assert_eq!(r.protocols().collect::<Vec<_>>(), ["chat", "superchat", "v2.x"]);
        let mut response = Response::default();
        for absent in ["Chat", "evil", "", "chat, superchat", "chat\r\nX: y"] {
            assert_eq!(response.set_protocol(r, absent), Err(InvalidHeader));
        }
        assert_eq!(response.protocol(), None);
        response.set_protocol(r, "v2.x").unwrap();
        response.set_protocol(r, "superchat").unwrap();
        assert_eq!(response.protocol(), Some("superchat"));
        let found = answer(r, &response);
        assert!(found.ends_with("=\r\nSec-WebSocket-Protocol: superchat\r\n\r\n"), "{found}");
    });
    accepted(&request(""), |r| {
        assert_eq!(r.protocols().count(), 0);
        assert_eq!(Response::default().set_protocol(r, "chat"), Err(InvalidHeader));
    });
}

/// RFC 9110 §5.6.1.2: empty elements of a list are ignored, as many as the head has room for.
#[test]
fn empty_elements() {
    for (offers, expected) in [
        ("chat, ", &["chat"][..]),
        ("v2, , chat", &["v2", "chat"]),
        (",,v2\r\nSec-WebSocket-Protocol: ,\r\nSec-WebSocket-Protocol:chat,", &["v2", "chat"]),
        (&format!("{}chat", ", ".repeat(4_000)), &["chat"]),
    ] {
        accepted(&request(&format!("Sec-WebSocket-Protocol: {offers}\r\n")), |r| {
            assert_eq!(r.protocols().collect::<Vec<_>>(), expected, "{offers}");
            let mut response = Response::default();
            response.set_protocol(r, "chat").unwrap();
            assert_eq!(response.set_protocol(r, ""), Err(InvalidHeader));
        });
    }
}

/// What the application adds cannot end a line, nor speak for the handshake.
#[test]
fn response_headers() {
    accepted(&request(""), |r| {
        let mut response = Response::default();
        response.add_header("Set-Cookie", b"a=b; HttpOnly").unwrap();
        response.add_header("X-Bytes", b"\t\xe9\xff").unwrap();
        for (name, value) in [
            ("X", &b"a\r\nEvil: 1"[..]),
            ("X", b"a\nb"),
            ("X", b"a\rb"),
            ("X", b"\0"),
            ("X", b"\x7f"),
            ("", b"a"),
            ("X Y", b"a"),
            ("X:", b"a"),
            ("X\r\nEvil", b"a"),
            ("Ünï", b"a"),
            ("upgrade", b"h2c"),
            ("CONNECTION", b"close"),
            ("Content-Length", b"5"),
            ("Transfer-Encoding", b"chunked"),
            ("sec-websocket-accept", b"x"),
            ("Sec-WebSocket-Protocol", b"x"),
            ("Sec-WebSocket-Extensions", b"permessage-deflate"),
        ] {
            assert_eq!(response.add_header(name, value), Err(InvalidHeader), "{name:?} {value:?}");
        }
        let mut out = Vec::new();
        response.encode(r, &mut out);
        let end = b"=\r\nSet-Cookie: a=b; HttpOnly\r\nX-Bytes: \t\xe9\xff\r\n\r\n";
        assert!(out.ends_with(end));
    });
}
