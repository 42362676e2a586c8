//! Limits of the machine, as a C program meets them at the start: a status and a text that names
//! the cause and the remedy, and never an abort.

mod common;

use common::{Linkage, compilers, here, scratch, stdout_of};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `RWS_BACKEND_AUTO`.
const AUTO: &str = "0";

fn program() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let program = scratch("limits").join("limits");
        let source = here().join("tests/c/limits.c");
        compilers()[0].program("c11", &source, Linkage::Static, &[], &program);
        program
    })
}

/// What it says when the shell has set limits for it.
fn under(limits: &str, reactors: u32) -> String {
    let script = format!("{limits} && exec {} {reactors}", program().display());
    stdout_of(Command::new("sh").args(["-c", &script]))
}

/// What it says when a system call fails; `None` where strace is not to be had.
fn injected(what: &str, backend: &str) -> Option<String> {
    Command::new("strace").arg("-V").output().ok()?;
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("inject={what}"));
    Some(stdout_of(strace.arg(program()).args(["2", backend])))
}

fn says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let text = said.trim_end().splitn(3, ' ').nth(2).unwrap_or_default();
    assert!(text.len() < 248 && !text.ends_with("..."), "cut: {said}");
}

#[test]
fn without_limits_it_starts() {
    assert_eq!(under("true", 2), "start 0 \nwait 0\n");
}

/// Every size of address space from one in which nothing fits to one in which all does.
#[test]
fn little_address_space_is_an_error_and_no_abort() {
    let mut starts = 0;
    for mib in (24..200).step_by(8) {
        let said = under(&format!("ulimit -v {}", mib << 10), 1);
        if said == "start 0 \nwait 0\n" {
            starts += 1;
            continue;
        }
        says(&said, &["start -3 ", "RLIMIT_AS"]);
    }
    assert!(starts > 0, "200 MiB are enough");
}

#[test]
fn little_locked_memory_is_named_with_what_is_needed() {
    // Root may lock as it likes: so as somebody else, whose locked memory is counted alone.
    let root = std::fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t");
    let script = |kib: u32, reactors: u32| {
        let copy = std::env::temp_dir().join("ringws-limits");
        let drop = "setpriv --reuid 54321 --regid 54321 --clear-groups --inh-caps=-all \
                    --bounding-set=-all";
        let (from, to) = (program().display(), copy.display());
        let place = format!("cp -f {from} {to} && chmod 755 {to}");
        let drop = if root { drop } else { "" };
        format!("{place} && ulimit -l {kib} && exec {drop} {to} {reactors}")
    };
    for (kib, reactors, parts) in [
        (64, 1, ["RLIMIT_MEMLOCK is 64 KiB", "each reactor takes 104 KiB", "all 1 take 104"]),
        (1024, 20, ["RLIMIT_MEMLOCK is 1024 KiB", "each reactor takes 104 KiB", "20 take 2080"]),
    ] {
        let said = stdout_of(Command::new("sh").args(["-c", &script(kib, reactors)]));
        // Linux 5.12 to 6.12 count none of it.
        if !said.starts_with("start 0 ") {
            says(&said, &["start -5 ", "LimitMEMLOCK"]);
            says(&said, &parts);
        }
    }
    // As much as it says is enough.
    let said = stdout_of(Command::new("sh").args(["-c", &script(2_080, 20)]));
    assert_eq!(said, "start 0 \nwait 0\n");
}

#[test]
fn a_ring_that_may_not_be_entered_is_found_at_the_start() {
    const RWS_BACKEND_URING: &str = "1";
    let forbidden = "io_uring_enter:error=EPERM";
    if let Some(said) = injected(forbidden, RWS_BACKEND_URING) {
        says(&said, &["start -5 ", "io_uring_enter was refused", "io_uring_register"]);
    }
    // Who leaves the choice to the engine is served by epoll.
    if let Some(said) = injected(forbidden, AUTO) {
        assert_eq!(said, "start 0 \nwait 0\n");
    }
}

#[test]
fn threads_that_are_denied_have_a_remedy() {
    if let Some(said) = injected("clone3,clone:error=EAGAIN", AUTO) {
        says(&said, &["start -4 ", "making a thread", "RLIMIT_NPROC", "pids limit"]);
    }
}
