//! `examples/chat.cpp` with real clients, under the sanitizers. Its page is tested in `page.rs`.

mod common;

use common::server::Server;
use common::{Linkage, compilers, here, scratch};
use ringws_kit::{CLOSE, Client, PING, PONG, TEXT, close, field, read_head, tcp};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
    let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-pthread"];
    let program = scratch("chat").join("chat");
    let source = here().join("examples/chat.cpp");
    compilers()[0].program("c++17", &source, Linkage::Static, &options, &program);
    program
});

fn start(journal: Option<&Path>) -> Server {
    let page = here().join("examples/chat.html");
    let mut arguments = vec!["0".as_ref(), page.as_os_str()];
    arguments.extend(journal.map(Path::as_os_str));
    Server::start(&PROGRAM, &arguments)
}

fn enter(port: u16, room: &str, name: &str, after: u64) -> Client {
    let target = format!("/rooms/{room}?name={name}&after={after}");
    Client::open_with(tcp(port), &target, &[]).with_patience(PATIENCE)
}

/// The fields of the next text that is of one of these kinds.
fn next(client: &mut Client, kinds: &[&str]) -> Vec<String> {
    loop {
        let (first, payload) = client.receive();
        if first == PING {
            client.send(PONG, payload); // every five seconds the round trip is measured
            continue;
        }
        assert_eq!(first, TEXT, "{payload:?}");
        let text = String::from_utf8(payload).unwrap();
        let fields: Vec<String> = text.split('\t').map(String::from).collect();
        if kinds.contains(&fields[0].as_str()) {
            return fields;
        }
    }
}

/// The next message that somebody has said: its number, its id, its author and its text.
fn said(client: &mut Client) -> (u64, String, String, String) {
    let [_, number, id, _, name, text] = next(client, &["said"]).try_into().unwrap();
    (number.parse().unwrap(), id, name, text)
}

fn say(client: &mut Client, id: &str, text: &str) {
    client.send(TEXT, format!("say\t{id}\t{text}"));
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

/// It is told to end, and sends them all away, to come again.
fn end(server: Server, clients: impl IntoIterator<Item = Client>) {
    server.signal("TERM");
    for mut client in clients {
        let (first, payload) = loop {
            let (first, payload) = client.receive();
            if first != TEXT && first != PING {
                break (first, payload);
            }
        };
        assert_eq!((first, &payload[..2]), (CLOSE, &1012_u16.to_be_bytes()[..]));
        client.send(CLOSE, close(1012, ""));
    }
    server.wait(PATIENCE);
}

#[test]
fn its_page_its_health_and_its_numbers_are_on_the_same_port() {
    let server = start(None);
    let mut guest = enter(server.port, "hall", "ann", 0);
    let (status, page) = get(server.port, "/");
    assert_eq!((status, page.contains("new WebSocket")), (200, true));
    assert_eq!(get(server.port, "/healthz"), (200, "ok\n".into()));
    let (status, numbers) = get(server.port, "/metrics");
    assert_eq!(status, 200);
    assert!(numbers.contains("ringws_upgraded_total"), "{numbers}");
    assert_eq!(get(server.port, "/passwords").0, 404);
    guest.send(TEXT, "ping\t42.5");
    assert_eq!(next(&mut guest, &["pong"]), ["pong", "42.5"]);
    let now = next(&mut guest, &["now"]);
    assert_eq!(now.last().unwrap(), "hall=1", "{now:?}");
    assert!(now[2].parse::<u32>().unwrap() >= 1, "connections: {now:?}");
    end(server, [guest]);
}

/// Who comes while others talk gets the history and what follows: nothing twice, nothing missing.
#[test]
fn history_goes_over_into_what_is_said_without_a_seam() {
    const LINES: usize = 90;
    let server = start(None);
    let port = server.port;
    let mut talker = enter(port, "garden", "ann", 0);
    next(&mut talker, &["ready"]);
    let listen = |delay| {
        std::thread::sleep(Duration::from_millis(delay));
        let mut client = enter(port, "garden", "bob", 0);
        let mut last = None;
        for expected in 0..LINES {
            let (number, _, name, text) = said(&mut client);
            assert_eq!((name, text), ("ann".into(), expected.to_string()));
            assert!(last.is_none_or(|last| number == last + 1), "a gap in the numbers");
            last = Some(number);
        }
        client
    };
    let mut all: Vec<Client> = std::thread::scope(|scope| {
        let joins: Vec<_> = (0..24).map(|i| scope.spawn(move || listen(i * 4))).collect();
        for number in 0..LINES {
            say(&mut talker, &format!("the-id-of-{number}"), &number.to_string());
            std::thread::sleep(Duration::from_millis(1));
        }
        joins.into_iter().map(|join| join.join().unwrap()).collect()
    });
    talker.send(CLOSE, close(1000, ""));
    for client in &mut all {
        while next(client, &["here"])[2] != "24" {}
    }
    end(server, all);
}

/// What was acknowledged is there after a `kill -9`, and is not taken a second time; what was not
/// acknowledged is taken by the next process.
#[test]
fn a_restart_neither_loses_nor_doubles() {
    let journal = scratch("chat").join("journal");
    let _ = std::fs::remove_file(&journal);
    let server = start(Some(&journal));
    let mut ann = enter(server.port, "garden", "ann", 0);
    say(&mut ann, "first-of-all", "one\twith a tab\nand a line");
    let (number, _, _, text) = said(&mut ann);
    assert_eq!(text, "one with a tab and a line");
    say(&mut ann, "second-of-all", "two");
    assert_eq!(said(&mut ann).0, number + 1);
    say(&mut ann, "second-of-all", "two");
    assert_eq!(said(&mut ann).0, number + 1, "said again: told again, not taken again");
    server.signal("KILL");
    drop(server);
    // Of one that it was killed in the middle of: nobody has heard it.
    let mut torn = std::fs::OpenOptions::new().append(true).open(&journal).unwrap();
    write!(torn, "/rooms/garden\tsaid\t{}\tthird-of-all\t1\tann\tthr", number + 2).unwrap();

    let server = start(Some(&journal));
    let mut ann = enter(server.port, "garden", "ann", number);
    assert_eq!(said(&mut ann), (number + 1, "second-of-all".into(), "ann".into(), "two".into()));
    for (id, text) in [("first-of-all", "one"), ("third-of-all", "three")] {
        say(&mut ann, id, text);
    }
    assert_eq!(said(&mut ann).0, number, "it is known");
    assert_eq!(said(&mut ann).3, "three");
    let mut bob = enter(server.port, "garden", "bob", 0);
    let all: Vec<_> = (0..3).map(|_| said(&mut bob).0).collect();
    assert_eq!(all, [number, number + 1, number + 2]);
    end(server, [ann, bob]);
}

#[test]
fn who_does_not_read_is_sent_away_and_the_others_are_served() {
    let server = start(None);
    let mut slow = enter(server.port, "garden", "tortoise", 0);
    let mut fast = enter(server.port, "garden", "hare", 0);
    next(&mut fast, &["ready"]);
    let text = "x".repeat(900);
    // Until its end is told: more than the kernel and the queue hold, and then for as long as it
    // may leave its Close unread.
    let begun = Instant::now();
    let mut count = 0;
    'talk: loop {
        for _ in 0..50 {
            say(&mut fast, &format!("the-id-of-{count}"), &text);
            count += 1;
        }
        let mut heard = 0;
        while heard < 50 {
            match next(&mut fast, &["said", "here"]) {
                here if here[0] == "here" => {
                    if here[3..] == ["hare"] {
                        break 'talk;
                    }
                }
                said => heard += usize::from(said[5] == text),
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
