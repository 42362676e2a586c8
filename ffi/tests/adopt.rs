//! Connections that the host has accepted itself: `c/adopt.c`, under the sanitizers.

mod common;

use common::{Linkage, compilers, here, scratch, stdout_of};
use std::process::Command;

#[test]
fn the_host_accepts_and_hands_over() {
    let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-pthread"];
    let program = scratch("adopt").join("adopt");
    let source = here().join("tests/c/adopt.c");
    compilers()[0].program("c11", &source, Linkage::Static, &options, &program);
    // A program that hangs fails.
    assert_eq!(stdout_of(Command::new("timeout").arg("60").arg(program)), "ok\n");
}
