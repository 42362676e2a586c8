//! `examples/chat.cpp` with real clients, under the sanitizers.

mod common;

use common::server::Server;
use common::{Linkage, compilers, here, scratch};
use ringws_kit::{CLOSE, Client, TEXT, close, field, read_head, tcp};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn start() -> Server {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-pthread"];
        let program = scratch("chat").join("chat");
        let source = here().join("examples/chat.cpp");
        compilers()[0].program("c++17", &source, Linkage::Static, &options, &program);
        program
    });
    let page = here().join("examples/chat.html");
    Server::start(&PROGRAM, &["0".as_ref(), page.as_os_str()])
}

fn enter(port: u16, room: &str, name: &str) -> Client {
    let target = format!("/rooms/{room}?name={name}");
    Client::open_with(tcp(port), &target, &[]).with_patience(PATIENCE)
}

/// The next line that somebody says, or that somebody comes or goes; not how many are there.
fn line(client: &mut Client) -> String {
    loop {
        let (first, payload) = client.receive();
        assert_eq!(first, TEXT, "{payload:?}");
        let text = String::from_utf8(payload).unwrap();
        if !text.starts_with('#') {
            return text;
        }
    }
}

/// What is answered to a GET: its status and its body.
fn get(port: u16, target: &str) -> (u16, String) {
    let mut stream = tcp(port);
    write!(stream, "GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let head = read_head(&mut stream).unwrap();
    let len = field(&head, "Content-Length").map_or(0, |len| len.parse().unwrap());
    let mut body = vec![0; len];
    stream.read_exact(&mut body).unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), String::from_utf8(body).unwrap())
}

#[test]
fn its_page_its_health_and_its_numbers_are_on_the_same_port() {
    let server = start();
    let guest = enter(server.port, "hall", "ann");
    let (status, page) = get(server.port, "/");
    assert_eq!((status, page.contains("new WebSocket")), (200, true));
    assert_eq!(get(server.port, "/healthz"), (200, "ok\n".into()));
    let (status, numbers) = get(server.port, "/metrics");
    assert_eq!(status, 200);
    assert!(numbers.contains("ringws_upgraded_total"), "{numbers}");
    assert_eq!(get(server.port, "/passwords").0, 404);
    drop(guest);
    server.signal("TERM");
    server.wait(PATIENCE);
}

/// Who comes while others talk gets the history and what follows: nothing twice, nothing missing.
#[test]
fn history_goes_over_into_what_is_said_without_a_seam() {
    const LINES: usize = 90;
    let server = start();
    let port = server.port;
    let mut talker = enter(port, "garden", "ann");
    assert_eq!(line(&mut talker), "ann has come");
    let listen = |delay| {
        std::thread::sleep(Duration::from_millis(delay));
        let mut client = enter(port, "garden", "bob");
        let mut next = 0;
        while next < LINES {
            let text = line(&mut client);
            let Some(number) = text.strip_prefix("ann: ") else { continue };
            assert_eq!(number, next.to_string(), "what was said before or again");
            next += 1;
        }
        client
    };
    let mut all: Vec<Client> = std::thread::scope(|scope| {
        let joins: Vec<_> = (0..24).map(|i| scope.spawn(move || listen(i * 4))).collect();
        for number in 0..LINES {
            talker.send(TEXT, number.to_string());
            std::thread::sleep(Duration::from_millis(1));
        }
        joins.into_iter().map(|join| join.join().unwrap()).collect()
    });
    talker.send(CLOSE, close(1000, ""));
    for client in &mut all {
        while line(client) != "ann has gone" {}
    }
    server.signal("TERM");
    // Those who leave meanwhile are told to the others.
    for mut client in all {
        let (first, payload) = loop {
            let (first, payload) = client.receive();
            if first != TEXT {
                break (first, payload);
            }
        };
        assert_eq!((first, &payload[..2]), (CLOSE, &1012_u16.to_be_bytes()[..]));
        client.send(CLOSE, close(1012, ""));
    }
    server.wait(PATIENCE);
}

#[test]
fn who_does_not_read_is_sent_away_and_the_others_are_served() {
    let server = start();
    let mut slow = enter(server.port, "garden", "tortoise");
    let mut fast = enter(server.port, "garden", "hare");
    let text = "x".repeat(900);
    let said = format!("hare: {text}");
    // Until its end is told: more than the kernel and the queue hold, and then for as long as it
    // may leave its Close unread.
    let begun = Instant::now();
    'talk: loop {
        for _ in 0..50 {
            fast.send(TEXT, &text);
        }
        let mut heard = 0;
        while heard < 50 {
            match line(&mut fast) {
                gone if gone == "tortoise has gone" => break 'talk,
                other => heard += usize::from(other == said),
            }
        }
        assert!(begun.elapsed() < PATIENCE, "the slow one is still there");
    }
    let last = slow.all().pop();
    if let Some((first, payload)) = last.filter(|(first, _)| *first == CLOSE) {
        assert_eq!((first, &payload[..2]), (CLOSE, &1013_u16.to_be_bytes()[..]));
    }
    server.signal("TERM");
    drop(fast);
    server.wait(PATIENCE);
}
