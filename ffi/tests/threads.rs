//! What the header promises to threads and to callbacks that call the engine, over a real socket.

mod common;

use common::{Linkage, compilers, here, scratch, stdout_of};
use std::process::Command;

#[test]
fn orders_turns_and_ends() {
    for compiler in compilers() {
        let program = scratch("threads").join(format!("threads-{}", compiler.c));
        let source = here().join("tests/c/threads.c");
        compiler.program("c11", &source, Linkage::Static, &["-D_GNU_SOURCE"], &program);
        // A program that hangs fails.
        let mut command = Command::new("timeout");
        assert_eq!(stdout_of(command.arg("60").arg(program)), "ok\n");
    }
}
