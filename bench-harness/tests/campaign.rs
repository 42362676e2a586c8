//! The campaign as it is called: a few quick kinds, and that nothing is left of one that is
//! interrupted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where a report goes.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("ringws-campaign-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn campaign(place: &Path, seconds: &str, kinds: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campaign"));
    command.args(["--seconds", seconds, "--out"]).arg(place);
    command.args(kinds.iter().flat_map(|kind| ["--kind", kind]));
    command
}

#[test]
fn a_few_quick_kinds_pass_or_are_not_possible_here() {
    let (place, kinds) = (Place::new("quick"), ["descriptors", "clients-killed", "link-loss"]);
    let output = campaign(&place.0, "1", &kinds).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let json = fs::read(place.0.join("report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let reports = report["kinds"].as_array().expect("kinds");
    assert_eq!(reports.len(), kinds.len());
    for kind in reports {
        match kind["verdict"].as_str() {
            // Without a privilege it says which.
            Some("not_possible_here") => assert_ne!(kind["violations"][0], "", "{kind}"),
            Some("passed") => {
                let number = |name: &str| kind["balance"][name].as_u64().expect("a number");
                assert!(number("sent") > 500, "{kind}");
                assert_eq!(number("sent"), number("returned"), "{kind}");
            }
            other => panic!("{other:?}: {kind}"),
        }
    }
    let page = fs::read_to_string(place.0.join("report.html")).expect("a page");
    assert!(page.contains("class=\"fault\"") && page.ends_with("</html>\n"));
}

#[test]
fn an_interrupted_campaign_leaves_nothing_behind() {
    let place = Place::new("interrupted");
    let mut child = campaign(&place.0, "60", &["cpu-stolen"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let text = place.0.to_string_lossy().into_owned();
    let begin = Instant::now();
    while processes_of(&text).len() < 2 && begin.elapsed() < Duration::from_secs(240) {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(3));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
    let status = child.wait().expect("a child");
    assert!(!status.success(), "{status}");
    assert_eq!(processes_of(&text), Vec::<String>::new(), "processes are left");
    for controller in ["cpu", "memory"] {
        let own = format!("ringws-campaign-{}-", child.id());
        let groups = fs::read_dir(Path::new("/sys/fs/cgroup").join(controller));
        let left = groups.into_iter().flatten().flatten();
        let left = left.filter(|it| it.file_name().to_string_lossy().starts_with(&own));
        assert_eq!(left.count(), 0, "a cgroup is left");
    }
}

/// Command lines with that text in them.
fn processes_of(text: &str) -> Vec<String> {
    let lines = fs::read_dir("/proc").expect("it is there").flatten().filter_map(|entry| {
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(text)).collect()
}
