//! The programs as they are called: one serves, the other measures it.

use ringws_bench::compare::{self, Contender, Cpus, idle};
use ringws_bench::load::closed::{self, Plan};
use ringws_bench::scenario::{Kind, Scenario, Suite};
use ringws_bench::server::{Launch, Server};
use std::process::Command;
use std::time::Duration;

fn ceiling() -> Launch {
    let program = env!("CARGO_BIN_EXE_ceiling-tcp").to_owned();
    let command = vec![program, "--connections".into(), "200".into()];
    Launch { command, announces: true, cpu: Some(0) }
}

fn ceiling_of_frames() -> Launch {
    let mut launch = ceiling();
    launch.command.push("--frames".into());
    launch
}

#[test]
fn the_ceiling_of_frames_echoes_every_byte() {
    let server = Server::start(&ceiling_of_frames()).expect("it listens");
    for (size, depth) in [(20, 1), (20, 16), (16384, 1), (16384, 16)] {
        let report = closed::run(&Plan {
            server: server.address,
            scenario: Scenario::plain(16, size, depth, Kind::Binary),
            warmup: Duration::from_millis(20),
            timed: Duration::from_millis(200),
            pid: None,
        });
        let messages = report.expect("a faithful echo").messages;
        assert!(messages > depth as u64, "{size} {depth}: {messages}");
    }
    server.interrupt().expect("it ends");
}

#[test]
fn load_reports_what_the_server_did_and_used() {
    let server = Server::start(&ceiling()).expect("it listens");
    let (address, pid) = (server.address.to_string(), server.pid().to_string());
    let arguments = ["closed", "--raw", "--json", "--seconds", "0.4", "--warmup", "0.1"];
    let output = Command::new(env!("CARGO_BIN_EXE_load"))
        .args(arguments)
        .args(["--server", &address, "--pid", &pid, "--connections", "8", "--depth", "4"])
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |path: &str| report.pointer(path).and_then(serde_json::Value::as_f64);
    assert!(number("/messages_per_second") > Some(0.0), "{report}");
    assert!(number("/server/cpu_us_per_message") > Some(0.0), "{report}");
    assert!(number("/server/resident") > Some(65536.0), "{report}");
    assert!(number("/server/context_switches_per_second").is_some(), "{report}");
}

#[test]
fn load_fails_when_there_is_no_server() {
    let output = Command::new(env!("CARGO_BIN_EXE_load"))
        .args(["closed", "--server", "127.0.0.1:1", "--seconds", "0.1"])
        .output()
        .expect("it runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("connecting to 127.0.0.1:1"));
}

/// Three contenders, two rounds, one row: figures of all, ratios to both ceilings, that of each to
/// itself being 1.
#[test]
fn a_comparison_pairs_the_rounds() {
    let suite = Suite::parse(
        "warmup = 0.05\nseconds = 0.2\npairs = 2\n\
         [[row]]\nname = \"few\"\nconnections = 4\nsize = 20\ndepth = 2\n\
         ceilings = [{ buffers = 16, size = 4096 }]",
    )
    .expect("legal");
    let one = |name: &str, launch, raw| Contender { raw, ..Contender::new(name, launch) };
    let contenders = [
        one(compare::CEILING, ceiling(), true),
        one(compare::CEILING_OF_FRAMES, ceiling_of_frames(), false),
        one("other", ceiling(), true),
    ];
    let mut steps = 0;
    let cpus = Cpus { server: 0, load: 0 };
    let comparison = std::thread::spawn(move || {
        let done = compare::run(&suite, &contenders, cpus, 0, |_| steps += 1);
        (done, steps)
    });
    let (comparison, steps) = comparison.join().expect("no panic");
    let comparison = comparison.expect("both serve");
    assert_eq!((steps, comparison.samples.len(), comparison.summaries.len()), (12, 6, 3));
    let order: Vec<_> = comparison.samples.iter().map(|one| one.server.as_str()).collect();
    let round = [compare::CEILING, compare::CEILING_OF_FRAMES, "other"];
    assert_eq!(order, [round, round].concat());
    let one = |ratio: Option<compare::Spread>| {
        ratio.is_some_and(|it| (it.median, it.min, it.max, it.mad, it.count) == (1., 1., 1., 0., 2))
    };
    assert!(one(comparison.summaries[0].of_ceiling.throughput));
    assert!(one(comparison.summaries[1].of_frames.throughput));
    assert!(one(comparison.summaries[1].of_frames.efficiency));
    let other = &comparison.summaries[2];
    for ratio in [other.of_ceiling.throughput, other.of_frames.throughput] {
        assert!(ratio.is_some_and(|ratio| ratio.min > 0.0));
    }
    let table = compare::table(&comparison);
    assert!(table.contains("other") && table.contains("1.00, 1.00"), "{table}");
}

#[test]
fn idle_connections_are_opened_measured_and_let_go() {
    let launch = Launch { cpu: Some(0), ..ceiling() };
    let scenario = Scenario::plain(100, 20, 1, Kind::Raw);
    let measured = std::thread::spawn(move || idle::measure("ceiling", &launch, &scenario, 0));
    let memory = measured.join().expect("no panic").expect("it serves");
    assert_eq!(memory.connections, 100);
    for resident in [memory.started, memory.warm, memory.open, memory.quiet] {
        assert!(resident > 65536, "{memory:?}");
    }
    assert!(memory.per_open() >= 0.0 && memory.per_quiet() >= 0.0);
}
