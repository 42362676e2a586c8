//! The C and C++ programs under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer.
//! The library itself is not instrumented: what is watched are the programs, the allocator that
//! they share with it, and the memory that crosses the boundary. And under ThreadSanitizer, which
//! the library tells what it hands over: without suppressions, and with the static library.

mod common;

use common::server::Server;
use common::ticker::watch;
use common::websocket::converse;
use common::{Linkage, compilers, here, scratch, stdout_of};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const OPTIONS: [&str; 5] =
    ["-D_GNU_SOURCE", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/// Compiles a source with the first compiler, instrumented.
fn instrumented(standard: &str, source: &str) -> PathBuf {
    let source = here().join(source);
    let name = source.file_stem().unwrap().to_str().unwrap();
    let program = scratch("sanitizers").join(format!("{name}-{standard}"));
    compilers()[0].program(standard, &source, Linkage::Static, &OPTIONS, &program);
    let symbols = stdout_of(Command::new("nm").arg(&program));
    assert!(symbols.contains("__asan_init"), "not instrumented");
    program
}

fn runs(standard: &str, source: &str, arguments: &[&str]) {
    let program = instrumented(standard, source);
    // A program that hangs fails.
    let mut command = Command::new("timeout");
    command.arg("120").arg(program).args(arguments);
    command.env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1");
    let said = stdout_of(&mut command);
    assert!(said.ends_with("ok\n"), "{said}");
}

#[test]
fn arguments() {
    runs("c11", "tests/c/api.c", &[]);
}

#[test]
fn contract() {
    runs("c11", "tests/c/contract.c", &[]);
}

#[test]
fn client() {
    runs("c11", "tests/c/client.c", &[]);
}

#[test]
fn modes() {
    runs("c11", "tests/c/modes.c", &[]);
}

#[test]
fn deflate() {
    runs("c11", "tests/c/deflate.c", &[]);
}

#[test]
fn wrapper() {
    runs("c++17", "tests/c/wrapper.cpp", &[]);
}

#[test]
fn sessions() {
    runs("c++20", "tests/c/sessions.cpp", &[]);
}

#[test]
fn coroutines() {
    runs("c++20", "tests/c/coroutines.cpp", &[]);
}

#[test]
fn torture() {
    runs("c11", "tests/c/torture.c", &["8"]);
}

#[test]
fn echo() {
    for (standard, source) in [("c11", "examples/echo.c"), ("c++20", "examples/echo.cpp")] {
        let server = Server::start(&instrumented(standard, source), &["0", "200000"]);
        converse(server, 200_000, "TERM", Duration::from_secs(20));
    }
}

#[test]
fn ticker() {
    watch(Server::start(&instrumented("c11", "examples/ticker.c"), &["0"]));
}

/// The sanitizers would have said something: a program that leaks one buffer must fail.
#[test]
fn leaks_are_seen() {
    let program = instrumented("c11", "tests/c/leak.c");
    let output = Command::new(program).env("ASAN_OPTIONS", "detect_leaks=1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("LeakSanitizer"), "{said}");
}

/// A program that hands everything over, compiled for ThreadSanitizer.
fn threads(number: usize, source: &str, more: &[&str], name: &str) -> PathBuf {
    let compiler = compilers()[number];
    let standard = if source.ends_with("cpp") { "c++17" } else { "c11" };
    let program = scratch("sanitizers").join(format!("{name}-{}", compiler.c));
    let options = [&["-D_GNU_SOURCE", "-g", "-O1", "-fsanitize=thread"], more].concat();
    let source = here().join("tests/c").join(source);
    compiler.program(standard, &source, Linkage::Static, &options, &program);
    program
}

/// Whether it ended well, and what it said.
fn watched(program: &PathBuf, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new("timeout");
    command.arg("120").arg(program).args(arguments).env_remove("TSAN_OPTIONS");
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn what_is_handed_over_is_no_race() {
    for number in 0..compilers().len() {
        for (source, name) in [("tsan.c", "tsan"), ("tsan.cpp", "tsan-cpp")] {
            let program = threads(number, source, &[], name);
            assert_eq!(watched(&program, &[]), (true, "ok\n".into()), "{source}");
            if source == "tsan.c" {
                // What two callbacks share without handing it over still is one. It is not seen
                // when the one happens to run long after the other.
                let is_seen = || {
                    let (well, said) = watched(&program, &["race"]);
                    let named = said.contains("in racy") || said.contains("#0 racy");
                    !well && said.contains("data race") && named
                };
                assert!((0..20).any(|_| is_seen()), "{source}: never seen");
            }
        }
    }
}

/// The library has told it so: the same program, whose own functions stand before the sanitizer's.
#[test]
fn what_is_not_told_is_seen() {
    let gcc = compilers().iter().position(|compiler| compiler.c == "gcc");
    // clang links its runtime in, so that nothing can stand before it.
    let Some(number) = gcc else { return };
    let untold = threads(number, "tsan.c", &["-DUNTOLD", "-rdynamic"], "untold");
    let (well, said) = watched(&untold, &[]);
    assert!(!well && said.contains("data race"), "{said}");
}
