//! io_uring refused: the error says why and what to do.

use crate::harness::config;
use ringws_engine::ring::{Errno, Uring, features};
use std::io::Write;
use std::process::Command;

const CHILD: &str = "RINGWS_TEST_REFUSED";

/// A line to the process that started this one.
fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("heard");
}

/// What the other tests run under strace.
#[test]
fn child_reports_the_refusal() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    match Uring::new(config(Vec::new())) {
        Ok(_) => say("CHILD started"),
        Err(refused) => {
            let errno = refused.errno.raw_os_error();
            say(&format!("CHILD {} {errno} {refused}", refused.call));
        }
    }
    let present = features::table().iter().filter(|feature| feature.present).count();
    say(&format!("CHILD present {present}"));
}

/// Runs the child with a system call failing; `None` where strace is not to be had.
fn under_strace(inject: &str) -> Option<String> {
    let name = "refusal::child_reports_the_refusal";
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", inject])
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    Some(text)
}

#[test]
fn a_refused_setup_is_explained() {
    let table = [
        ("EPERM", "CHILD io_uring_setup 1 ", "io_uring_setup, io_uring_enter"),
        ("ENOSYS", "CHILD io_uring_setup 38 ", "CONFIG_IO_URING"),
        ("EINVAL", "CHILD io_uring_setup 22 ", "6.1"),
        ("ENOMEM", "CHILD io_uring_setup 12 ", "RLIMIT_AS"),
        ("EMFILE", "CHILD io_uring_setup 24 ", "RLIMIT_NOFILE"),
    ];
    for (errno, start, remedy) in table {
        let Some(text) = under_strace(&format!("inject=io_uring_setup:error={errno}")) else {
            assert!(Command::new("strace").arg("-V").output().is_err(), "strace did not start");
            return;
        };
        assert!(text.contains(start) && text.contains(remedy), "{errno}: {text}");
        assert!(text.contains("CHILD present 0"), "{errno}: {text}");
    }
}

#[test]
fn an_old_kernel_gets_a_ring_from_a_lower_rung() {
    // The first setup fails as it would on a kernel without NO_SQARRAY.
    if let Some(text) = under_strace("inject=io_uring_setup:error=EINVAL:when=1") {
        assert!(text.contains("CHILD started"), "{text}");
    }
    // And as on one without DEFER_TASKRUN.
    if let Some(text) = under_strace("inject=io_uring_setup:error=EINVAL:when=1..2") {
        assert!(text.contains("CHILD started"), "{text}");
    }
}

#[test]
fn a_bad_configuration_is_refused() {
    let mut config = config(Vec::new());
    config.recv_buffers = 100;
    let refused = Uring::new(config).err().expect("refused");
    assert_eq!(refused.errno, Errno::INVAL);
    assert!(refused.text.contains("power of two"), "{refused}");
}
