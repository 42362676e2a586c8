//! One to many, against a small server here and against the C example.

#[path = "support/frames.rs"]
mod frames;

use ringws_bench::example::Workspace;
use ringws_bench::frame;
use ringws_bench::load::broadcast::{BroadcastPlan, BroadcastReport, run};
use ringws_bench::load::control::Control;
use ringws_bench::scenario::{Kind, Scenario};
use ringws_bench::server::{Launch, Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Whom a message goes to, and what is done to it on the way.
#[derive(Clone, Copy)]
struct Rule {
    to_sender: bool,
    change: fn(receiver: usize, payload: &mut Vec<u8>),
}

type Members = Arc<Mutex<Vec<TcpStream>>>;

/// A thread per connection, one list of all.
fn hall(rule: Rule) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let members = Members::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let members = Arc::clone(&members);
            std::thread::spawn(move || serve(stream, &members, rule));
        }
    });
    address
}

fn serve(mut stream: TcpStream, members: &Members, rule: Rule) {
    if !frames::upgrade(&mut stream) {
        return;
    }
    let own = {
        let mut members = members.lock().expect("no panic");
        members.push(stream.try_clone().expect("a descriptor"));
        members.len() - 1
    };
    let (mut unread, mut piece) = (Vec::new(), [0; 65536]);
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        unread.extend_from_slice(&piece[..n]);
        while let Some((opcode, payload)) = frames::take_message(&mut unread) {
            let mut members = members.lock().expect("no panic");
            for (index, member) in members.iter_mut().enumerate() {
                if index != own || rule.to_sender {
                    let (mut payload, mut wire) = (payload.clone(), Vec::new());
                    (rule.change)(index, &mut payload);
                    frame::append(&mut wire, opcode, &payload, None);
                    // A member that has gone is of no interest.
                    let _ = member.write_all(&wire);
                }
            }
        }
    }
}

fn plan(server: SocketAddr, receivers: usize, size: usize, depth: usize) -> BroadcastPlan {
    BroadcastPlan {
        server,
        scenario: Scenario::plain(receivers, size, depth, Kind::Text),
        rate: None,
        warmup: Duration::from_millis(20),
        timed: Duration::from_millis(200),
        pid: Some(std::process::id()),
    }
}

fn broadcast(plan: &BroadcastPlan) -> ringws_bench::Result<BroadcastReport> {
    run(plan, &Control::default())
}

#[test]
fn every_receiver_gets_every_message() {
    for to_sender in [false, true] {
        for (receivers, size, depth) in [(1, 20, 1), (9, 300, 1), (5, 70_000, 3)] {
            let server = hall(Rule { to_sender, change: |_, _| {} });
            let report = broadcast(&plan(server, receivers, size, depth)).expect("faithful");
            assert_eq!(report.to_publisher, to_sender);
            let all = (receivers + usize::from(to_sender)) as u64;
            assert!(report.messages > 0, "{report:?}");
            let slack = all * depth as u64;
            assert!(report.deliveries.abs_diff(report.messages * all) <= slack, "{report:?}");
            assert!(report.first.p50 <= report.last.p50 && report.last.max <= report.each.max);
            assert!(report.sides.server.is_some_and(|server| server.cpu_us_per_message > 0.0));
        }
    }
}

#[test]
fn a_rate_is_kept() {
    let server = hall(Rule { to_sender: false, change: |_, _| {} });
    let plan = BroadcastPlan {
        rate: Some(200.0),
        timed: Duration::from_millis(500),
        ..plan(server, 4, 20, 16)
    };
    let report = broadcast(&plan).expect("faithful");
    assert!((80..=120).contains(&report.messages), "{report:?}");
}

#[test]
fn a_wrong_byte_of_one_copy_is_noticed() {
    let change = |receiver, payload: &mut Vec<u8>| {
        // Two, since one of them may be the publisher: members come in any order.
        if matches!(receiver, 2 | 3) {
            payload[7] ^= 1;
        }
    };
    let server = hall(Rule { to_sender: false, change });
    let error = broadcast(&plan(server, 6, 20, 1)).expect_err("one copy differs").to_string();
    assert!(error.contains("byte 9 is"), "{error}");
}

/// `ffi/examples/broadcast.c`, without a warning from either compiler, and what it does.
#[test]
fn the_c_example_sends_to_all() {
    let workspace = Workspace::find().expect("cargo runs this test");
    let library = workspace.library().expect("it builds");
    let directory = workspace.programs().expect("a directory");
    let mut programs = Vec::new();
    for compiler in ["gcc", "clang"] {
        let program = directory.join(format!("broadcast-{compiler}"));
        let done = Command::new(compiler)
            .current_dir(&workspace.root)
            .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Iinclude"])
            .args(["ffi/examples/broadcast.c", "-o"])
            .arg(&program)
            .arg(&library)
            .args(["-lpthread", "-ldl", "-lm", "-lgcc_s", "-lutil", "-lrt"])
            .output()
            .unwrap_or_else(|error| panic!("{compiler} is needed: {error}"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        programs.push(program);
    }
    for program in programs {
        let command = vec![program.to_string_lossy().into_owned(), "0".into()];
        let launch = Launch { command, announces: true, cpu: None };
        let server = Server::start(&launch).expect("it listens");
        for (receivers, size, depth) in [(1, 0, 1), (40, 20, 1), (8, 100_000, 2)] {
            let report = broadcast(&BroadcastPlan {
                pid: Some(server.pid()),
                ..plan(server.address, receivers, size, depth)
            });
            let report = report.expect("faithful");
            assert!(report.to_publisher && report.messages > 0, "{report:?}");
        }
        assert!(server.interrupt().expect("it ends").success());
    }
}
