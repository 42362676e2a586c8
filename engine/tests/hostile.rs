//! Hostile inputs over a real socket: each row of `hostile/*.toml` whole, cut behind the head, and
//! byte by byte, with the close code or HTTP status that it must be answered with.

#[path = "hostile/resources.rs"]
mod resources;
#[path = "hostile/row.rs"]
mod row;
#[path = "support/service.rs"]
mod running;
#[path = "hostile/service.rs"]
mod service;
#[path = "hostile/wire.rs"]
mod wire;

use ringws_kit::{BINARY, CLOSE, Client, PONG, Socket, close, read_to_end, reset, tcp};
use row::{Corpus, Expect, Row, Then, parse};
use service::Services;
use std::io::Write;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use wire::{Answer, Cut};

/// Plays every row of a file; reports all that fail.
fn play(file: &str) {
    let path = format!("{}/tests/hostile/{file}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("a file of the corpus");
    let corpus: Corpus = toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut services = Services::default();
    let mut failed = Vec::new();
    for row in &corpus.row {
        for cut in [Cut::Whole, Cut::Answered, Cut::Bytes] {
            if cut == Cut::Bytes && !row.bytewise || cut != Cut::Bytes && row.drip_ms.is_some() {
                continue;
            }
            let port = services.with(row.limits).port;
            let played = catch_unwind(AssertUnwindSafe(|| check(row, &attack(row, cut, port))));
            if played.is_err() {
                failed.push(format!("{file}: {} ({cut:?})", row.name));
            }
        }
    }
    assert!(failed.is_empty(), "{} rows failed:\n{}", failed.len(), failed.join("\n"));
    services.quiesce();
}

/// Sends the row and reads what comes of it.
fn attack(row: &Row, cut: Cut, port: u16) -> Answer {
    let mut stream = tcp(port);
    let since = Instant::now();
    let mut bytes = Vec::new();
    let mut reader = stream.try_clone().expect("a second handle");
    let pause = Duration::from_millis(row.drip_ms.unwrap_or(0));
    let size = if cut == Cut::Bytes { 1 } else { usize::MAX };
    let (mut request, frames) = (row.request(), row.frames());
    if cut == Cut::Answered && !frames.is_empty() {
        wire::write(&mut stream, &request, size, pause);
        wire::read_head(&mut stream, &mut bytes);
        request.clear();
    }
    request.extend(frames);
    let reading = std::thread::spawn(move || {
        bytes.extend(read_to_end(&mut reader));
        (bytes, since.elapsed())
    });
    wire::write(&mut stream, &request, size, pause);
    match row.then {
        Then::End => stream.half_close(),
        Then::Reset => hang_up(&stream),
        Then::Read | Then::Linger => {}
    }
    let (bytes, mut ended) = reading.join().expect("the end of the stream");
    if row.then == Then::Linger {
        ended = wire::outlast(&mut stream, since);
    }
    if row.then == Then::Reset {
        // What came before may be cut off anywhere.
        return Answer::default();
    }
    Answer::parse(&bytes, ended)
}

/// Makes the kernel send RST: nothing is said, and nothing more is heard.
fn hang_up(stream: &TcpStream) {
    reset(stream);
    // Closing the last handle resets; the reader has one too, so end its read first.
    let _ = stream.shutdown(std::net::Shutdown::Read);
}

fn check(row: &Row, answer: &Answer) {
    let Row { expect, contains, lacks, after_ms, .. } = row;
    let head = &answer.head;
    match expect {
        Expect::Close(code) => {
            let close = answer.close.as_deref().expect("a Close frame");
            let came = close.first_chunk().map(|code| u16::from_be_bytes(*code));
            assert_eq!(came, Some(*code), "close code");
        }
        Expect::Other(what) => match what.split_once(' ') {
            None if what == "open" => {
                assert_eq!(answer.close.as_deref(), Some(&1000u16.to_be_bytes()[..]), "{head}");
            }
            None if what == "eof" => assert_eq!(answer.close, None),
            Some(("close", "without code")) => assert_eq!(answer.close.as_deref(), Some(&[][..])),
            Some(("http", status)) => {
                assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
                assert!(head.contains("\r\nConnection: close"), "{head}");
            }
            Some(("kept", status)) => {
                assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
                assert!(!head.contains("\r\nConnection: close"), "{head}");
            }
            _ => panic!("unknown expectation {what}"),
        },
    }
    if row.then != Then::Reset {
        let echoes = row.echoes();
        assert!(answer.messages == echoes, "{} echoes", answer.messages.len());
    }
    if let Some(pong) = row.pong() {
        assert_eq!(answer.pongs.last(), Some(&pong), "the last pong");
    }
    assert!(answer.pings > 0 || !row.pinged, "never pinged");
    assert!(contains.as_ref().is_none_or(|part| head.contains(part.as_str())), "{head}");
    assert!(
        lacks.as_ref().is_none_or(|part| !answer_text(answer).contains(part.as_str())),
        "{head}"
    );
    if let Some(after) = after_ms {
        // The server counts whole milliseconds.
        let ended = answer.ended.as_millis() as u64 + 2;
        assert!((*after..after + 3_000).contains(&ended), "ended after {ended} ms, not {after}");
    }
}

fn answer_text(answer: &Answer) -> &str {
    let accepted = answer.head.strip_prefix("HTTP/1.1 101 Switching Protocols\r\n");
    accepted.unwrap_or(&answer.head)
}

macro_rules! files {
    ($($test:ident: $file:literal,)*) => {
        $(#[test]
        fn $test() {
            let _turn = resources::turn();
            play($file);
        })*
    };
}

files! {
    bad_headers_of_frames_are_told_apart: "header",
    wrong_lengths_are_refused: "length",
    bad_control_frames_are_refused: "control",
    close_frames_are_judged_and_answered: "close",
    fragments_out_of_order_are_refused: "fragments",
    text_that_is_no_utf8_is_refused: "utf8",
    spoilt_compression_is_refused: "deflate",
    bad_requests_have_their_status: "handshake",
    requests_that_are_no_upgrade_are_read_in_one_way: "http",
    who_is_slow_has_his_time_and_no_more: "slow",
    connections_end_as_their_ends_wish: "lifecycle",
    proxies_say_whose_connection_it_is_or_are_dropped: "proxy",
}

/// RFC 6455 §5.5.2: until the server's Close has come, a client must answer its pings, also behind
/// its own Close. A server that has closed its socket by then answers the Pong with a reset, and
/// that destroys whatever the client has not read.
#[test]
fn a_pong_behind_a_close_costs_nothing() {
    let _turn = resources::turn();
    let service = service::Service::new(ringws_engine::conn::Limits::default());
    let mut client = Client::connect(service.port);
    let message = [b'x'; 65_536];
    (0..12).for_each(|_| client.send(BINARY, message));
    client.send(CLOSE, close(1000, ""));
    // Long enough for the server to have handed everything to its kernel.
    std::thread::sleep(Duration::from_millis(200));
    client.send(PONG, "");
    std::thread::sleep(Duration::from_millis(50));
    (0..12).for_each(|_| client.hears(BINARY, message));
    client.hears(CLOSE, close(1000, ""));
    client.ends();
    drop(client);
    service.quiesce();
}

/// The language of the corpus says what it seems to say.
#[test]
fn the_corpus_is_read_as_written() {
    assert_eq!(parse("83 80"), [0x83, 0x80]);
    assert_eq!(parse("00x3 'ab' 01"), [0, 0, 0, b'a', b'b', 1]);
    assert_eq!(parse("81 81 m 00 | ff"), [0x81, 0x81, 0x37, 0xFA, 0x21, 0x3D, 0x37, 0xFF]);
    assert_eq!(parse("(01 | (02)*2)*2"), [1, 2, 2, 1, 2, 2]);
    assert!(parse("m 'aaaaa'")[4..].starts_with(&[0x37 ^ b'a', 0xFA ^ b'a']));
    let mut sink = Vec::new();
    sink.write_all(&parse("")).expect("a vector");
    assert!(sink.is_empty());
}
