//! A whole comparison, short: the ceilings, a server that fails, and all that is written about it.

use ringws_bench::compare::{self, Comparison, Contender, Cpus, Metric};
use ringws_bench::publish;
use ringws_bench::scenario::{Mode, Suite};
use ringws_bench::server::Launch;
use std::path::PathBuf;
use std::process::Command;

const ROWS: &str = "\
    warmup = 0.02\nseconds = 0.1\npairs = 2\n\
    [[row]]\nname = \"4 x 20 B x 2\"\nconnections = 4\nsize = 20\ndepth = 2\nkind = \"text\"\n\
    ceilings = [{ buffers = 16, size = 4096 }, { buffers = 4, size = 2048 }]\n\
    [[row]]\nname = \"latency: 1 x 20 B\"\nmode = \"latency\"\nconnections = 1\nsize = 20\n\
    [[row]]\nname = \"half\"\nmode = \"open\"\nconnections = 4\nsize = 20\n\
    rate = { share = 0.1, of = \"peer\", row = \"4 x 20 B x 2\" }\n\
    [[row]]\nname = \"churn\"\nmode = \"churn\"\nconnections = 4\nsize = 20\n\
    [[row]]\nname = \"idle: <16>\"\nmode = \"idle\"\nconnections = 16\nsize = 20\npairs = 1\n";

/// A directory of its own, gone at the end of the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringws-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("writable");
        Self(path)
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.join(file)).expect(file)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn ceiling(name: &str, arguments: &[&str], raw: bool) -> Contender {
    let mut command = vec![env!("CARGO_BIN_EXE_ceiling-tcp").to_owned()];
    command.extend(["--connections", "200"].iter().chain(arguments).map(|it| (*it).to_owned()));
    let launch = Launch { command, announces: true, cpu: None };
    Contender { raw, ..Contender::new(name, launch) }
}

/// On a thread of its own, because it binds its thread to a CPU.
fn compared() -> Comparison {
    let contenders = [
        ceiling(compare::CEILING, &[], true),
        ceiling(compare::CEILING_OF_FRAMES, &["--frames"], false),
        ceiling("peer", &["--frames"], false),
        // Sends the request for an upgrade back as it came.
        ceiling("no-upgrade", &[], false),
    ];
    let suite = Suite::parse(ROWS).expect("legal");
    let cpus = Cpus { server: 0, load: 0 };
    let run = move || compare::run(&suite, &contenders, cpus, 0, |_| {});
    std::thread::spawn(run).join().expect("no panic").expect("it goes on")
}

#[test]
fn all_outputs_tell_the_same() {
    let comparison = compared();
    let directory = Directory::new("suite");
    publish::publish(&comparison, &directory.0).expect("written");

    let closed = comparison.rows(Mode::Closed);
    let summaries = comparison.of_row(closed[0]);
    assert_eq!(summaries.len(), 4);
    assert!(summaries[0].geometry.is_some(), "the best of two");
    assert!(summaries[2].geometry.is_none(), "no ceiling");
    assert!(summaries[2].get(Metric::MessagesPerSecond).is_some_and(|it| it.min > 0.0));
    assert!(summaries[2].of_ceiling.throughput.is_some_and(|it| it.count == 2));
    let why = summaries[3].failure.as_deref().expect("it cannot upgrade");
    assert!(why.contains("did not upgrade"), "{why}");
    // One that fails is tried once in a row. Two rounds: two ceilings with two geometries and a
    // peer; twice two ceilings and a peer; without the ceiling of bytes. One round: the peer.
    assert_eq!(comparison.samples.len(), (5 * 2 + 1) + 2 * (3 * 2 + 1) + (2 * 2 + 1) + (1 + 1));
    let median = |row: usize, server: usize, metric| {
        let summaries = comparison.of_row(&comparison.suite.row[row]);
        summaries.get(server).and_then(|it| it.get(metric)).map(|it| it.median)
    };
    let top = median(0, 2, Metric::MessagesPerSecond).expect("measured");
    let rate = median(2, 2, Metric::OfferedPerSecond).expect("measured");
    assert!((rate / top - 0.1).abs() < 1e-6, "{rate} {top}");
    assert!(median(2, 0, Metric::LatencyP99) > Some(0.0));
    assert!(median(3, 1, Metric::ConnectionsPerSecond) > Some(0.0), "{:?}", comparison.summaries);

    let json: serde_json::Value =
        serde_json::from_str(&directory.read("results.json")).expect("JSON");
    assert_eq!(json["samples"].as_array().map(Vec::len), Some(comparison.samples.len()));
    assert!(json["machine"]["mitigations"].is_object());
    assert!(json["samples"][0]["outcome"]["messages_per_second"].as_f64() > Some(0.0), "{json}");

    let csv = directory.read("results.csv");
    assert_eq!(csv.lines().count(), comparison.samples.len() + 1);
    let columns = csv.lines().next().expect("a header").split(',').count();
    let peer = csv.lines().find(|line| line.contains(",peer,")).expect("it was measured");
    assert_eq!(peer.split(',').count(), columns);

    let headline = directory.read("headline.md");
    assert!(headline.contains("| 4 x 20 B x 2 |") && headline.contains("failed"), "{headline}");
    assert!(headline.contains("| peer | "), "{headline}");
    let table = compare::table(&comparison);
    assert!(table.contains("no-upgrade") && table.contains("failed: "), "{table}");

    page_is_whole(&directory.read("report.html"), &comparison);
}

fn page_is_whole(html: &str, comparison: &Comparison) {
    for name in [
        "4 x 20 B x 2",
        "latency: 1 x 20 B",
        "churn",
        "idle: &lt;16&gt;",
        "no-upgrade failed in: 4 x 20",
    ] {
        assert!(html.contains(name), "{name}");
    }
    for server in &comparison.servers {
        assert!(html.contains(&format!(">{}</text>", server.name)), "{}", server.name);
    }
    assert!(html.contains(&comparison.machine.kernel));
    // One file: nothing is fetched, nothing runs, nothing is left open.
    for outside in ["http:", "https:", "//cdn", "url(", "@import", "<script", "<link", "src="] {
        assert!(!html.contains(outside), "{outside}");
    }
    for invalid in ["NaN", "inf"] {
        let drawn = html.split("<svg").skip(1).filter_map(|rest| rest.split("</svg>").next());
        assert!(!drawn.into_iter().any(|svg| svg.contains(invalid)), "{invalid}");
    }
    for element in ["svg", "figure", "table", "tr", "td", "div", "text", "p", "h2", "path"] {
        let opened = html.matches(&format!("<{element}>")).count()
            + html.matches(&format!("<{element} ")).count();
        assert_eq!(opened, html.matches(&format!("</{element}>")).count(), "{element}");
        assert!(opened > 0, "{element}");
    }
}

#[test]
fn the_program_leaves_out_what_is_not_there_and_says_so() {
    let directory = Directory::new("bench-all");
    let rows = directory.0.join("rows.toml");
    std::fs::write(&rows, ROWS).expect("written");
    let server = format!("mine={} --frames --port {{port}}", env!("CARGO_BIN_EXE_ceiling-tcp"));
    let output = Command::new(env!("CARGO_BIN_EXE_bench-all"))
        .args(["--servers", "no-such-server", "--server", &server, "--row", "4 x 20"])
        .args(["--pairs", "1", "--retries", "0", "--load-cpu", "0"])
        .arg("--scenarios")
        .arg(&rows)
        .arg("--out")
        .arg(directory.0.join("out"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("*** no-such-server IS LEFT OUT"), "{said}");
    assert!(said.contains("[1/1, 0 s left] 4 x 20 B x 2, round 1: mine: "), "{said}");
    let html = directory.read("out/report.html");
    assert!(html.contains("no-such-server did not take part") && html.contains(">mine</text>"));
    assert!(!html.contains("latency: 1 x 20 B"), "it was not asked for");
}

#[test]
fn the_program_refuses_what_makes_no_sense() {
    for arguments in [
        &["--quick", "--full"][..],
        &["--server", "nonsense", "--servers", "no-such-server"],
        &["--servers", "no-such-server"],
        &["--scenarios", "/does/not/exist.toml"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_bench-all")).args(arguments).output();
        assert!(!output.expect("it runs").status.success(), "{arguments:?}");
    }
}
