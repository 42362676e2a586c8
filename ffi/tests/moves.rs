//! Upgrades that move to the reactor of their room: `c/moves.c`, under the sanitizers.

mod common;

use common::{Linkage, compilers, here, scratch, stdout_of};
use std::process::Command;

#[test]
fn upgrades_move_to_the_reactor_of_their_room() {
    let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-pthread"];
    let program = scratch("moves").join("moves");
    let source = here().join("tests/c/moves.c");
    compilers()[0].program("c11", &source, Linkage::Static, &options, &program);
    // A program that hangs fails.
    assert_eq!(stdout_of(Command::new("timeout").arg("60").arg(program)), "ok\n");
}
