//! The page of `examples/chat.cpp` in a browser, over restarts of its server, and as those use it
//! who do not see it (axe).

mod common;

use common::{Linkage, compilers, here, scratch, stdout_of, succeed};
use std::process::Command;

/// The checks of Deque, fixed like all that is fetched.
const AXE: &str = "axe-core@4.14.1";

#[test]
fn nothing_is_lost_or_doubled_and_everybody_can_use_it() {
    let place = scratch("page");
    let source = here().join("examples/chat.cpp");
    let program = place.join("chat");
    let options = ["-D_GNU_SOURCE", "-O1", "-pthread"];
    compilers()[0].program("c++17", &source, Linkage::Static, &options, &program);
    let axe = place.join("node_modules/axe-core/axe.min.js");
    if !axe.exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"]).arg(&place);
        succeed(npm.arg(AXE));
    }
    // It ends by itself when something does not come.
    let mut check = Command::new("node");
    check.arg(here().join("tests/page/check.mjs")).arg(program);
    check.arg(here().join("examples/chat.html")).args([place, axe]);
    let said = stdout_of(&mut check);
    assert!(said.ends_with("all passed\n"), "{said}");
}
