//! Processes that succeed each other under load: nobody is closed, nobody refused, and no message
//! is lost, doubled or out of order: neither an answer nor what is published, in either process.

use crate::app::App;
use crate::service::{at, reactors, stats};
use ringws_engine::engine::Engine;
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::Handle;
use ringws_engine::succession::HandOver;
use ringws_kit::{Client, TEXT, until};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Set in the environment of a server of this test: where it is asked to hand over.
const DOOR: &str = "RINGWS_TEST_DOOR";

/// What the test runs as a process of its own. Whoever stands at the door is its successor.
#[test]
fn child_serves_until_it_is_succeeded() {
    let Some(door) = std::env::var_os(DOOR).map(PathBuf::from) else { return };
    let engine = Engine::new(reactors(2)).expect("an engine");
    if let Ok(predecessor) = UnixStream::connect(&door) {
        engine.take_over(predecessor.into(), Duration::from_secs(10)).expect("a greeting");
    }
    let port = engine.listen(at(App::default())).expect("a port");
    engine.start().expect("io_uring");
    let handle = engine.handle().clone();
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let ticker = std::thread::spawn(move || tick(&handle, &ended));
    let _ = std::fs::remove_file(&door);
    let listener = UnixListener::bind(&door).expect("a door");
    writeln!(std::io::stdout(), "\nlistening {port}").expect("heard");
    let (successor, _) = listener.accept().expect("a successor");
    let how = HandOver::default();
    engine.hand_over(successor.into(), how).map_err(|(error, _)| error).expect("it runs");
    engine.wait().expect("an orderly end");
    over.store(true, Ordering::Relaxed);
    ticker.join().expect("published");
    let stats = stats(&engine);
    let (passed, left, back) = (stats.passed_on, stats.left_behind, stats.passed_back);
    writeln!(std::io::stdout(), "\npassed {passed} left {left} back {back}").expect("heard");
}

/// A thread of its own in each process publishes numbers from 1 on, until the engine has ended.
fn tick(handle: &Handle, over: &AtomicBool) {
    let process = std::process::id();
    for number in 1.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let text = format!("tick {process} {number}");
        let what = Outgoing::copied(Opcode::Text, text.as_bytes());
        handle.publish(b"tick", &what, None).expect("room");
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Server {
    process: Child,
    said: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    fn start(door: &PathBuf) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "deploys::child_serves_until_it_is_succeeded", "--nocapture"])
            .env(DOOR, door)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut said = BufReader::new(process.stdout.take().expect("piped"));
        let port = said.by_ref_lines("listening ").parse().expect("a port");
        Self { process, said, port }
    }

    /// How many connections it has passed on, and how many were left or came back.
    fn ends(mut self) -> (u64, u64, u64) {
        let line = self.said.by_ref_lines("passed ");
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        assert!(self.process.wait().expect("ours").success());
        (numbers[0], numbers[1], numbers[2])
    }
}

trait Lines {
    fn by_ref_lines(&mut self, begin: &str) -> String;
}

impl Lines for BufReader<ChildStdout> {
    /// The rest of the first line that begins so.
    fn by_ref_lines(&mut self, begin: &str) -> String {
        let mut lines = self.lines().map_while(Result::ok);
        let line = lines.find(|line| line.starts_with(begin)).expect("it says so");
        line[begin.len()..].to_owned()
    }
}

/// A client that counts.
struct Counting {
    client: Client,
    next: u64,
    fed: Option<u64>,
    /// The last that a process has ticked.
    ticks: HashMap<String, u64>,
}

impl Counting {
    fn new(port: u16, joins: bool) -> Self {
        let client = Client::connect(port).with_patience(Duration::from_secs(20));
        let mut counting = Self { client, next: 0, fed: None, ticks: HashMap::new() };
        if joins {
            counting.client.send(TEXT, "join");
            // It may hear what is published before it hears that it is a member.
            while counting.answer() != "joined" {}
        }
        counting
    }

    /// Says a number or two, and must hear them.
    fn count(&mut self, many: u64) {
        for number in self.next..self.next + many {
            self.client.send(TEXT, number.to_string());
        }
        while many > 0 && self.hear() < self.next + many - 1 {}
        self.next += many;
    }

    /// The next number that is an answer.
    fn hear(&mut self) -> u64 {
        self.answer().parse().expect("a number")
    }

    /// The next message that nobody has published.
    fn answer(&mut self) -> String {
        loop {
            let (first, text) = self.client.receive();
            assert_eq!(first, TEXT, "{}", text.escape_ascii());
            let text = String::from_utf8(text).expect("text");
            let words: Vec<&str> = text.split(' ').collect();
            match words[..] {
                ["feed", number] => self.feed(number.parse().expect("a number")),
                ["tick", process, number] => self.tick(process, number.parse().expect("a number")),
                _ => return text,
            }
        }
    }

    fn feed(&mut self, number: u64) {
        if let Some(before) = self.fed.replace(number) {
            assert_eq!(number, before + 1, "fed: lost, doubled, or out of order");
        }
    }

    /// Of a process that begins while it is a member it hears all.
    fn tick(&mut self, process: &str, number: u64) {
        let before = match self.ticks.insert(process.to_owned(), number) {
            None if self.ticks.len() == 1 => return,
            before => before.unwrap_or(0),
        };
        assert_eq!(number, before + 1, "ticks of {process}: lost, doubled, or out of order");
    }
}

#[derive(Default)]
struct Load {
    over: AtomicBool,
    open: AtomicU64,
    counted: AtomicU64,
    came: AtomicU64,
    published: AtomicU64,
    /// The last that was, once it was.
    last: AtomicU64,
    heard: AtomicU64,
}

/// Ends the load, also when the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Some connections, all the time.
    fn run(&self, port: u16, clients: usize) {
        let mut all: Vec<Counting> =
            (0..clients).map(|at| Counting::new(port, at % 10 == 0)).collect();
        self.open.fetch_add(clients as u64, Ordering::Relaxed);
        let mut round = 0;
        while self.goes_on() {
            for client in &mut all {
                let many = 1 + round % 3;
                client.count(many);
                self.counted.fetch_add(many, Ordering::Relaxed);
            }
            round += 1;
        }
        // All that was published, to the last.
        until("the last was published", || self.last.load(Ordering::Relaxed) > 0);
        let last = self.last.load(Ordering::Relaxed);
        for client in &mut all {
            client.count(1);
            while client.fed.is_some_and(|fed| fed < last) {
                client.count(1);
            }
            self.heard.fetch_add(u64::from(client.fed.is_some()), Ordering::Relaxed);
        }
    }

    /// Others come and go.
    fn come_and_go(&self, port: u16) {
        while self.goes_on() {
            let mut client = Counting::new(port, false);
            client.count(2);
            client.client.reset();
            self.came.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One publishes numbers.
    fn publish(&self, port: u16) {
        let mut speaker = Counting::new(port, false);
        for number in 1.. {
            speaker.client.send(TEXT, format!("say {number}"));
            speaker.count(1);
            self.published.store(number, Ordering::Relaxed);
            if !self.goes_on() {
                return self.last.store(number, Ordering::Relaxed);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// So many processes succeed each other.
fn deploys(many: usize, clients: usize) {
    let door = std::env::temp_dir().join(format!("ringws-door-{}-{many}", std::process::id()));
    let mut server = Server::start(&door);
    let port = server.port;
    let load = Load::default();
    let began = Instant::now();
    std::thread::scope(|scope| {
        let over = Over(&load.over);
        for _ in 0..4 {
            scope.spawn(|| load.run(port, clients / 4));
        }
        scope.spawn(|| load.come_and_go(port));
        scope.spawn(|| load.publish(port));
        until("all are connected", || load.open.load(Ordering::Relaxed) == clients as u64);
        let mut took = Vec::new();
        for _ in 0..many {
            std::thread::sleep(Duration::from_millis(200));
            let start = Instant::now();
            let next = Server::start(&door);
            assert_eq!(next.port, port);
            let (passed, left, back) = std::mem::replace(&mut server, next).ends();
            took.push(start.elapsed().as_millis());
            assert!(passed as usize >= clients, "{passed} of {clients}");
            assert_eq!((left, back), (0, 0), "left behind, came back");
        }
        std::thread::sleep(Duration::from_millis(200));
        drop(over);
        println!("{many} deploys of {clients} connections, each in {took:?} ms");
    });
    server.process.kill().expect("it runs");
    server.process.wait().expect("killed");
    let _ = std::fs::remove_file(&door);
    let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "{} answers, {} connections came and went, {} published and heard by {} members, in {:?}",
        of(&load.counted),
        of(&load.came),
        of(&load.published),
        of(&load.heard),
        began.elapsed()
    );
    assert_eq!(of(&load.heard) as usize, 4 * (clients / 4).div_ceil(10));
    assert!(of(&load.counted) as usize > clients * many && of(&load.came) > 10);
}

#[test]
fn two_deploys_under_load_close_nobody() {
    deploys(2, 100);
}

#[cfg(feature = "long")]
#[test]
fn ten_deploys_under_load_close_nobody() {
    deploys(10, 1_000);
}
