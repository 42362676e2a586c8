//! Building the library, and the examples against it as a user would.

use crate::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a static Rust library needs from the system.
const SYSTEM_LIBRARIES: [&str; 6] = ["-lpthread", "-ldl", "-lm", "-lgcc_s", "-lutil", "-lrt"];
/// The cargo profile, and so the directory under the target directory.
const PROFILE: &str = "demo";

/// What there is when all is built.
pub(crate) struct Built {
    /// The echo server in C.
    pub(crate) echo: PathBuf,
    /// The chat in C++.
    pub(crate) chat: PathBuf,
    /// And its page.
    pub(crate) page: PathBuf,
}

pub(crate) fn all() -> Result<Built> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    // This program is <target>/<profile>/ringws-demo.
    let exe = std::env::current_exe()?;
    let target = exe.ancestors().nth(2).ok_or("this program is not where cargo puts programs")?;
    library(&root, target)?;
    let to = target.join(PROFILE);
    let echo = example(&root, &to, ["CC", "cc", "-std=c11", "echo.c"])?;
    let chat = example(&root, &to, ["CXX", "c++", "-std=c++17", "chat.cpp"])?;
    Ok(Built { echo, chat, page: root.join("ffi/examples/chat.html") })
}

fn example(root: &Path, to: &Path, [set, usual, standard, source]: [&str; 4]) -> Result<PathBuf> {
    let program = to.join(Path::new(source).with_extension(""));
    let compiler = std::env::var(set).unwrap_or_else(|_| usual.into());
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or(usual));
    command.args(words).args([standard, "-O2", "-Iinclude"]).arg(format!("ffi/examples/{source}"));
    command.arg(to.join("libringws.a")).args(SYSTEM_LIBRARIES);
    command.arg("-o").arg(&program).current_dir(root);
    run(&mut command, &format!("set {set}, or install a compiler (gcc, g++; clang)"))?;
    Ok(program)
}

/// The static library alone, without TLS: its cryptography takes longer to build than all else.
fn library(root: &Path, target: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["rustc", "--package", "ringws-ffi", "--lib", "--crate-type", "staticlib"]);
    command.args(["--no-default-features", "--profile", PROFILE, "--target-dir"]);
    command.arg(target).current_dir(root);
    run(&mut command, "cargo is needed: https://rustup.rs")
}

/// Runs to the end; what it says is for the user to see.
fn run(command: &mut Command, remedy: &str) -> Result<()> {
    let line = format!("{command:?}").replace('"', "");
    let status =
        command.status().map_err(|error| format!("cannot run `{line}`: {error}; {remedy}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}` failed, {status}").into()) }
}
