//! What is answered later.

use super::service::{Service, Told, read_answer};
use ringws_engine::conn::Limits;
use ringws_engine::proto::handshake::Reply;
use ringws_engine::reactor::LaterError;
use ringws_kit::{TEXT, field, frame, read_frame, read_to_end, request};
use std::io::Write;

#[test]
fn an_upgrade_is_accepted_by_another_thread() {
    let service = Service::start(Limits::default());
    let (mut stream, later) = service.upgrade("/");
    // What comes behind the request waits with it.
    stream.write_all(&frame(TEXT, "early")).unwrap();
    let handle = service.engine.handle();
    let mut reply = Reply::new(101);
    reply.add_header("X-Then", b"2").unwrap();
    let not_offered = handle.answer(later, reply.clone(), Some("other"), 0);
    assert_eq!(not_offered, Err(LaterError::Protocol));
    for status in [0, 100, 200, 299, 600] {
        assert_eq!(service.answer(later, status, 0), Err(LaterError::Status), "{status}");
    }
    let refusal = Reply::new(403);
    assert_eq!(handle.answer(later, refusal, Some("news"), 0), Err(LaterError::Protocol));
    assert_eq!(service.told(0), [], "nothing was taken");
    assert_eq!(handle.answer(later, reply, Some("news"), 11), Ok(()));
    assert_eq!(service.answer(later, 101, 12), Err(LaterError::Gone), "once");
    let (head, _) = read_answer(&mut stream);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(field(&head, "Sec-WebSocket-Protocol"), Some("news"));
    assert_eq!((field(&head, "X-First"), field(&head, "X-Then")), (Some("1"), Some("2")));
    assert_eq!(read_frame(&mut stream).unwrap(), (TEXT, b"early".to_vec()));
    stream.write_all(&frame(TEXT, "then")).unwrap();
    assert_eq!(read_frame(&mut stream).unwrap(), (TEXT, b"then".to_vec()));
    assert_eq!(service.told(1), [Told::Open(11)]);
    drop(stream);
    let stats = service.until("closed", |stats| stats.connections == 0);
    assert_eq!((stats.upgraded, stats.refused), (1, 0));
    assert_eq!(service.told(0), []);
}

#[test]
fn an_upgrade_is_refused_with_headers_and_a_body() {
    let service = Service::start(Limits::default());
    let (mut stream, later) = service.upgrade("/");
    let mut reply = Reply::new(401).with_body("who are you?");
    reply.add_header("WWW-Authenticate", b"Basic").unwrap();
    assert_eq!(service.engine.handle().answer(later, reply, None, 11), Ok(()));
    let (head, body) = read_answer(&mut stream);
    assert!(head.starts_with("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n"), "{head}");
    assert_eq!(
        (field(&head, "X-First"), field(&head, "WWW-Authenticate")),
        (Some("1"), Some("Basic"))
    );
    assert_eq!(body, "who are you?");
    assert_eq!(read_to_end(&mut stream), b"");
    assert_eq!(service.answer(later, 101, 12), Err(LaterError::Gone));
    drop(stream);
    let stats = service.until("closed", |stats| stats.connections == 0);
    assert_eq!((stats.upgraded, stats.refused), (0, 1));
    assert_eq!(service.told(0), [], "of a refusal nothing follows");
}

#[test]
fn a_callback_may_answer_too() {
    let service = Service::start(Limits::default());
    for (target, status, told) in [
        ("/inside", "101", vec![Told::Open(8)]),
        ("/at-once", "101", vec![Told::Open(7)]),
        ("/refused", "403", vec![]),
    ] {
        let (mut stream, later) = service.upgrade(target);
        let (head, _) = read_answer(&mut stream);
        assert_eq!(&head[9..12], status, "{target}");
        assert_eq!(service.answer(later, 101, 10), Err(LaterError::Gone), "{target}");
        assert_eq!(service.told(told.len()), told, "{target}");
    }
    let (mut stream, later) = service.upgrade("/too-late");
    assert!(read_answer(&mut stream).0.starts_with("HTTP/1.1 403 "));
    assert_eq!(service.told(1), [Told::Gone(later, 9)], "its 101 was taken, and came to nothing");
}

#[test]
fn requests_wait_in_order() {
    let service = Service::start(Limits::default());
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    let all = get("/later") + &get("/now") + &request("/", &[]);
    let (mut stream, later) = service.ask(&all);
    stream.write_all(&frame(TEXT, "hello")).unwrap();
    assert_eq!(service.answer(later, 101, 0), Err(LaterError::Status));
    let page = Reply::new(201).with_body("made");
    let handle = service.engine.handle();
    assert_eq!(handle.answer(later, page.clone(), Some("chat"), 0), Err(LaterError::Protocol));
    assert_eq!(handle.answer(later, page, None, 0), Ok(()));
    let (head, body) = read_answer(&mut stream);
    assert!(head.starts_with("HTTP/1.1 201 ") && body == "made", "{head}");
    assert_eq!(read_answer(&mut stream).1, "now");
    assert_eq!(service.answer(service.next(), 101, 3), Ok(()));
    assert!(read_answer(&mut stream).0.starts_with("HTTP/1.1 101 "));
    assert_eq!(service.told(1), [Told::Open(3)]);
    assert_eq!(read_frame(&mut stream).unwrap().0, TEXT);
    let stats = service.until("counted", |stats| stats.requests == 2);
    assert_eq!(stats.upgraded, 1);
}
