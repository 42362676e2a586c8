//! HTTP heads cut anywhere.

use ringws_engine::proto::Input;
use ringws_engine::proto::handshake::Request;
use ringws_engine::proto::head::HeadReader;
use std::time::{Duration, Instant};

const HEAD: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: x, y\r\n\r\n";

/// What came of a head: its fields, or the status of the refusal; and the bytes behind it.
type Outcome = (Result<Vec<(String, Vec<u8>)>, u16>, Vec<u8>);

/// Feeds the parts in turn; `None` when the head is not complete.
fn run(parts: &[&[u8]], max: usize) -> Option<Outcome> {
    let mut reader = HeadReader::new();
    for (i, part) in parts.iter().enumerate() {
        let mut bytes = part.to_vec();
        let mut input = Input::new(&mut bytes);
        let head = match reader.feed(&mut input, max) {
            Ok(Some(head)) => head,
            Ok(None) => {
                assert!(input.is_empty());
                continue;
            }
            Err(refusal) => return Some((Err(refusal.status), Vec::new())),
        };
        let mut rest = input.peek().to_vec();
        parts[i + 1..].iter().for_each(|part| rest.extend_from_slice(part));
        let fields = |r: Request<'_>| {
            assert_eq!(r.target(), "/chat");
            assert_eq!(r.protocols().collect::<Vec<_>>(), ["x", "y"]);
            r.headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
        };
        return Some((Request::parse(head).map(fields).map_err(|r| r.status), rest));
    }
    None
}

#[test]
fn the_same_wherever_it_is_cut() {
    let frames = b"\x81\x85\x01\x02\x03\x04pipelined\r\n\r\n";
    let stream = [HEAD.as_bytes(), frames].concat();
    let expected = run(&[&stream], 16 << 10).unwrap();
    assert_eq!(expected.0.as_ref().unwrap().len(), 6);
    assert_eq!(expected.1, frames);
    for a in 0..=stream.len() {
        for b in a..=stream.len() {
            let parts = [&stream[..a], &stream[a..b], &stream[b..]];
            assert_eq!(run(&parts, 16 << 10).as_ref(), Some(&expected), "{a} {b}");
        }
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(run(&bytes, 16 << 10), Some(expected));
}

#[test]
fn refused_the_same_wherever_it_is_cut() {
    let bare = HEAD.replacen("\r\nUpgrade", "\nUpgrade", 1);
    let late = HEAD.replace("\r\n\r\n", "\r\n\n");
    let folded = HEAD.replace("Upgrade: ", "Upgrade:\r\n ");
    let long = HEAD.replace("Host: a", &format!("Host: {}", "a".repeat(300)));
    for (text, status) in [(bare, 400), (late, 400), (folded, 400), (long, 431)] {
        for cut in 0..=text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            assert_eq!(run(&[a, b], 400), Some((Err(status), vec![])), "{cut} {text}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(run(&bytes, 400), Some((Err(status), vec![])), "{text}");
    }
}

#[test]
fn the_limit_is_exact_wherever_it_is_cut() {
    for cut in 0..=HEAD.len() {
        let (a, b) = HEAD.as_bytes().split_at(cut);
        assert!(run(&[a, b], HEAD.len()).unwrap().0.is_ok(), "{cut}");
        assert_eq!(run(&[a, b], HEAD.len() - 1), Some((Err(431), vec![])), "{cut}");
    }
    // Bytes behind the head do not count.
    let more = format!("{HEAD}{}", "x".repeat(1000));
    assert!(run(&[more.as_bytes()], HEAD.len()).unwrap().0.is_ok());
}

#[test]
fn not_complete() {
    for cut in 0..HEAD.len() {
        let bytes: Vec<&[u8]> = HEAD.as_bytes()[..cut].chunks(7).collect();
        assert_eq!(run(&bytes, 1 << 10), None);
    }
}

/// 4 MB of one head, byte by byte. Scanning it again for each byte would take hours.
#[test]
fn linear_when_it_drips() {
    let start = Instant::now();
    let mut reader = HeadReader::new();
    for i in 0..4 << 20 {
        let mut byte = [match i % 64 {
            62 => b'\r',
            63 => b'\n',
            _ => b'x',
        }];
        let found = reader.feed(&mut Input::new(&mut byte), 8 << 20);
        assert!(matches!(found, Ok(None)));
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}
