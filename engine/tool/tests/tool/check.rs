//! `ringws check` on our own server, which must be without fault, and on one that is not.

use crate::bad;
use crate::support::{Serving, ringws, stdout};
use serde_json::Value;
use std::path::PathBuf;

/// A file that goes with the test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("ringws-check-{}-{name}", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).expect("it was written")
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn our_own_server_keeps_all_of_it() {
    keeps_all_of_it(&["--deflate"]);
}

#[test]
fn our_own_server_keeps_all_of_it_by_epoll() {
    keeps_all_of_it(&["--deflate", "--backend", "epoll"]);
}

fn keeps_all_of_it(arguments: &[&str]) {
    let server = Serving::new(arguments);
    let output = ringws(&["check", &server.url, "--timeout", "20", "--strict"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let all = text.lines().find(|line| line.starts_with("all ")).expect("a sum");
    let counts: Vec<usize> =
        all.split_whitespace().skip(1).map(|count| count.parse().expect("a number")).collect();
    // Without takeover there is one row that says nothing.
    assert!(counts[0] > 300 && counts[0] == counts[1] + 1, "none may be left out: {all}");
    assert_eq!(counts[2..], [0, 0, 1], "{all}");
}

#[test]
fn a_limit_of_the_server_is_no_fault() {
    let server = Serving::new(&["--deflate", "--message-max", "4096"]);
    let (json, junit) = (Temporary::new("limit.json"), Temporary::new("limit.xml"));
    let files = ["--json", json.path(), "--junit", junit.path(), "--timeout", "20", "--strict"];
    let most = ["--skip", "robust.*", "--skip", "deflate.takeover"];
    let output = ringws(&[&["check", &server.url], &files[..], &most[..]].concat());
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("skipped: the server's limit is below 65535 bytes (2 rows)\n"), "{text}");
    let report: Value = serde_json::from_str(&json.text()).expect("JSON");
    let rows = report["rows"].as_array().expect("rows").iter();
    let skipped = rows.filter(|row| row["verdict"] == "skipped");
    let ids: Vec<_> = skipped.map(|row| row["id"].as_str().expect("an id")).collect();
    let large = "frames.text-65535 frames.text-65536 frames.text-300000 frames.bin-65535 \
                 frames.bin-65536 frames.bin-300000 fragments.large deflate.text-100000";
    assert_eq!(ids.join(" "), large, "and no others");
    let xml = junit.text();
    let why = "the server's limit is below 300000 bytes";
    let xml = roxmltree::Document::parse(&xml).expect("XML");
    let skipped = xml.descendants().filter(|node| node.has_tag_name("skipped"));
    let told = skipped
        .clone()
        .filter(|node| node.attribute("message").is_some_and(|message| message.contains(why)));
    assert_eq!((skipped.count(), told.count()), (8, 2));
    // A limit that stands in the way of ordinary messages is a fault.
    let tiny = Serving::new(&["--message-max", "100"]);
    let output = ringws(&["check", &tiny.url, "--only", "frames.text-12*"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
}

#[test]
fn a_window_that_is_kept_is_looked_into() {
    let server = Serving::new(&["--deflate-takeover"]);
    let output = ringws(&["check", &server.url, "--only", "deflate.takeover"]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let all = text.lines().find(|line| line.starts_with("all ")).expect("a sum");
    assert_eq!(
        all.split_whitespace().collect::<Vec<_>>()[1..],
        ["1", "1", "0", "0", "0"],
        "{text}"
    );
}

#[test]
fn without_an_echo_the_rest_is_asked() {
    let url = format!("ws://127.0.0.1:{}/silent", bad::serve());
    let only = ["--only", "frames.text-5*", "--only", "frames.text-125", "--only", "ping.1"];
    let output = ringws(&[&["check", &url, "--skip", "*/bytes"], &only[..]].concat());
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("does not echo") && text.contains("does not agree to"), "{text}");
    let all = text.lines().find(|line| line.starts_with("all ")).expect("a sum");
    let counts: Vec<&str> = all.split_whitespace().collect();
    assert_eq!(counts, ["all", "2", "1", "0", "0", "1"], "{text}");
}

#[test]
fn planted_faults_are_found_with_their_clauses() {
    let port = bad::serve();
    let (json, junit) = (Temporary::new("json"), Temporary::new("xml"));
    let url = format!("ws://127.0.0.1:{port}/");
    let output = ringws(&[
        "check",
        &url,
        "--timeout",
        "1.5",
        "--only",
        "frames.unmasked*",
        "--only",
        "utf8.lone",
        "--only",
        "handshake.version-99",
        "--only",
        "close.code-1001",
        "--only",
        "ping.*",
        "--only",
        "frames.rsv2",
        "--only",
        "frames.text-5*",
        "--json",
        json.path(),
        "--junit",
        junit.path(),
    ]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for (row, clause, why) in [
        ("frames.unmasked-text", "RFC 6455 §5.1", "has taken the message"),
        ("frames.unmasked-ping", "RFC 6455 §5.1", "still open"),
        ("utf8.lone", "RFC 6455 §8.1", "text that is not UTF-8"),
        ("handshake.version-99", "RFC 6455 §4.2.2", "was accepted"),
        ("ping.126", "RFC 6455 §5.5", "still open"),
    ] {
        let finding = text.split("\n\n").find(|part| part.starts_with(&format!("FAILED   {row} ")));
        let finding = finding.unwrap_or_else(|| panic!("no {row} in {text}"));
        assert!(finding.contains(&format!("must, {clause}")), "{finding}");
        assert!(finding.contains(why) && finding.contains("sent     "), "{finding}");
    }
    assert!(text.contains("SHOULD   close.code-1001 "), "{text}");
    let report: Value = serde_json::from_str(&json.text()).expect("JSON");
    let rows = report["rows"].as_array().expect("rows");
    let verdict =
        |id: &str| rows.iter().find(|row| row["id"] == id).expect("it")["verdict"].clone();
    assert_eq!(verdict("ping.126"), "failed");
    assert_eq!(verdict("close.code-1001"), "should");
    assert_eq!(verdict("frames.rsv2"), "passed");
    let counts = report["counts"].as_object().expect("counts");
    let sum: u64 = counts.values().filter_map(Value::as_u64).sum();
    assert_eq!(sum as usize, rows.len());
    let xml = junit.text();
    let xml = roxmltree::Document::parse(&xml).expect("XML");
    let cases = xml.descendants().filter(|node| node.has_tag_name("testcase"));
    let failed =
        |node: &roxmltree::Node<'_, '_>| node.children().any(|c| c.has_tag_name("failure"));
    assert_eq!(cases.clone().count(), rows.len());
    assert_eq!(cases.filter(failed).count() as u64, counts["failed"].as_u64().expect("a count"));
}

#[test]
fn rows_of_others_are_played_and_their_mistakes_told() {
    let server = Serving::new(&[]);
    let file = Temporary::new("toml");
    let row = |send: &str, expect: &str| {
        format!(
            "[[row]]\nid = \"own.row\"\nclause = \"§1\"\nseverity = \"must\"\nsays = \"It is.\"\n\
             send = '{send}'\nexpect = \"{expect}\"\n"
        )
    };
    let check = |text: &str| {
        std::fs::write(&file.0, text).expect("a file");
        ringws(&["check", &server.url, "--corpus", file.path(), "--only", "own.*"])
    };
    assert_eq!(check(&row("close 1000", "close")).status.code(), Some(0));
    for (text, told) in [
        (row("tekst", "close"), "row own.row: no frame \"tekst\""),
        (row("text", "nothing"), "nothing"),
        (row("text", "open").repeat(2), "row own.row is there twice"),
    ] {
        let output = check(&text);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr.contains(told) && stderr.contains(file.path()), "{stderr}");
    }
}

#[test]
fn who_is_not_there_is_told_with_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = free.local_addr().expect("bound");
    drop(free);
    let output = ringws(&["check", &format!("ws://{at}/")]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("refused") && stderr.contains("is the server running"), "{stderr}");
    assert_eq!(ringws(&["check", "http://x/"]).status.code(), Some(2));
}
