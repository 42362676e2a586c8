//! `ringws bench`, `probe`, `completions` and `man`.

use crate::bad;
use crate::support::{Serving, ringws, stdout};
use serde_json::Value;

#[test]
fn a_load_is_measured() {
    let server = Serving::new(&["--reactors", "1"]);
    let small = ["--connections", "4", "--depth", "3", "--seconds", "0.3", "--warmup", "0.1"];
    let output = ringws(&[&["bench", &server.url, "--json", "--size", "1k"], &small[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let number = |name: &str| report[name].as_f64().expect("a number");
    assert!(number("messages") > 10.0 && number("messages_per_second") > 10.0, "{report}");
    assert!(number("p50_us") > 0.0 && number("p50_us") <= number("p99_us"), "{report}");
    assert!(number("p99_us") <= number("p999_us") && number("p999_us") <= number("max_us"));
    assert!(number("least_served") > 0.0 && number("least_served") <= number("most_served"));
    assert_eq!((number("wrong"), number("lost"), number("size")), (0.0, 0.0, 1024.0));
    let output = ringws(&[&["bench", &server.url], &small[..]].concat());
    let text = stdout(&output);
    for line in ["throughput  ", "round trip  p50 ", "fairness    "] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn who_does_not_echo_is_not_measured() {
    let silent = format!("ws://127.0.0.1:{}/silent", bad::serve());
    let output = ringws(&["bench", &silent, "--connections", "2", "--warmup", "0.1"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("needs a service that echoes"), "{stderr}");
}

#[test]
fn the_kernel_is_asked() {
    let output = ringws(&["probe", "--json"]);
    let found: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(found["engine"]["backend"].is_string(), output.status.success(), "{found}");
    let features = found["features"].as_array().expect("features");
    assert!(features.len() > 5 && features.iter().all(|row| row["name"].is_string()), "{found}");
    let text = stdout(&ringws(&["probe"]));
    let backend = found["engine"]["backend"].as_str().expect("a backend");
    assert!(text.starts_with("Linux ") && text.contains("since Linux "), "{text}");
    assert!(text.contains(&format!("an engine runs by {backend}\n")), "{text}");
}

#[test]
fn shells_and_man_know_all_of_it() {
    for shell in ["bash", "zsh", "fish"] {
        let text = stdout(&ringws(&["completions", shell]));
        assert!(text.contains("insecure") && text.contains("probe"), "{shell}");
    }
    let dir = std::env::temp_dir().join(format!("ringws-man-{}", std::process::id()));
    assert!(ringws(&["man", dir.to_str().expect("a path")]).status.success());
    for name in ["ringws", "ringws-check", "ringws-serve", "ringws-connect", "ringws-bench"] {
        let page = std::fs::read_to_string(dir.join(format!("{name}.1"))).expect("a page");
        assert!(page.contains(".TH "), "{name}");
    }
    std::fs::remove_dir_all(dir).expect("it is there");
}
