//! Cases that need a process of their own: what they look at belongs to the whole process.

use std::process::Command;

/// Set in the environment of such a process.
const CHILD: &str = "RINGWS_TEST_CHILD";

/// Whether this process was made to run one case alone.
pub(crate) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the test of this name, which begins by asking `is_child`, alone in a process.
pub(crate) fn in_a_child(name: &str) {
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .expect("a process");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("1 passed"), "{text} {}", String::from_utf8_lossy(&output.stderr));
}
