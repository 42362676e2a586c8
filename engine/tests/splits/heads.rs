//! HTTP heads cut anywhere.

use crate::random::Random;
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
            let target = ("target".to_owned(), r.target().as_bytes().to_vec());
            let protocols = r.protocols().map(|p| ("protocol".to_owned(), p.as_bytes().to_vec()));
            let all = [target].into_iter().chain(protocols);
            let headers = r.headers().map(|(name, value)| (name.to_owned(), value.to_vec()));
            all.chain(headers).collect()
        };
        return Some((Request::parse(head).map(fields).map_err(|r| r.status), rest));
    }
    None
}

#[test]
fn a_head_is_the_same_wherever_it_is_cut() {
    let frames = b"\x81\x85\x01\x02\x03\x04pipelined\r\n\r\n";
    let stream = [HEAD.as_bytes(), frames].concat();
    let expected = run(&[&stream], 16 << 10).unwrap();
    let fields = expected.0.as_ref().unwrap();
    let named = |i: usize| (fields[i].0.as_str(), fields[i].1.as_slice());
    assert_eq!(fields.len(), 1 + 2 + 6);
    assert_eq!(named(0), ("target", &b"/chat"[..]));
    assert_eq!([named(1), named(2)], [("protocol", &b"x"[..]), ("protocol", b"y")]);
    assert_eq!(named(8), ("Sec-WebSocket-Protocol", &b"x, y"[..]));
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
fn a_head_is_refused_the_same_wherever_it_is_cut() {
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
fn a_head_without_its_end_is_waited_for() {
    for cut in 0..HEAD.len() {
        let bytes: Vec<&[u8]> = HEAD.as_bytes()[..cut].chunks(7).collect();
        assert_eq!(run(&bytes, 1 << 10), None);
    }
}

/// Heads with some bytes changed, left out or doubled: the same wherever they are cut, and whatever
/// is accepted has one Host and is what it was before or harmless.
#[test]
fn a_damaged_head_is_judged_the_same_however_it_is_cut() {
    let mut accepted = 0;
    for seed in 0..6_000 {
        let mut r = Random::new(seed);
        let mut text = HEAD.as_bytes().to_vec();
        for _ in 0..1 + r.below(3) {
            let at = r.below(text.len());
            match r.below(4) {
                0 => text[at] = r.next() as u8,
                1 => text[at] = b"\r\n\0 ,:/#\t"[r.below(9)],
                2 => _ = text.remove(at),
                _ => text.insert(at, text[at]),
            }
        }
        let expected = run(&[&text], 1 << 10);
        let mut cuts = r.cuts(text.len());
        cuts.push(text.len());
        let mut from = 0;
        let part = |to: &usize| &text[std::mem::replace(&mut from, *to)..*to];
        let parts: Vec<&[u8]> = cuts.iter().map(part).collect();
        assert_eq!(run(&parts, 1 << 10), expected, "seed {seed} {cuts:?}");
        if let Some((Ok(fields), _)) = expected {
            accepted += 1;
            let hosts = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host"));
            assert_eq!(hosts.count(), 1, "seed {seed}");
            let lines = fields.iter().any(|(_, value)| value.iter().any(|b| b"\r\n\0".contains(b)));
            assert!(!lines, "seed {seed}");
        }
    }
    // Most bytes matter, some do not.
    assert!((200..3_000).contains(&accepted), "{accepted}");
}

/// 4 MB of one head, byte by byte. Scanning it again for each byte would take hours.
#[test]
fn a_head_that_drips_takes_linear_time() {
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
