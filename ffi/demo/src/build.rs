//! Building the library, and the C example against it as a user would.

use crate::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a static Rust library needs from the system.
const SYSTEM_LIBRARIES: [&str; 6] = ["-lpthread", "-ldl", "-lm", "-lgcc_s", "-lutil", "-lrt"];
/// The cargo profile, and so the directory under the target directory.
const PROFILE: &str = "demo";

/// The C echo server.
pub(crate) fn echo() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    // This program is <target>/<profile>/ringws-demo.
    let exe = std::env::current_exe()?;
    let target = exe.ancestors().nth(2).ok_or("this program is not where cargo puts programs")?;
    library(&root, target)?;
    let directory = target.join(PROFILE);
    let program = directory.join("echo");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words).args(["-std=c11", "-O2", "-Iinclude", "ffi/examples/echo.c"]);
    command.arg(directory.join("libringws.a")).args(SYSTEM_LIBRARIES);
    command.arg("-o").arg(&program).current_dir(&root);
    run(&mut command, "set CC, or install a C compiler (gcc, clang)")?;
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
