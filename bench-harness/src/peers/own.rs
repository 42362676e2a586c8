//! The engine's own echoes, with and without mimalloc, and the ceilings.

use super::tool::{cargo, directory, run};
use super::{Built, called};
use crate::compare::Wire;
use crate::error::Result;
use crate::example::{ECHO, Workspace};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The largest message where a row needs more than the default, as the peers have it: 64 MiB.
const MESSAGE_MAX: &str = "67108864";
/// The C example that sends every message to all, by a topic.
const ALL: &str = "ffi/examples/broadcast.c";
/// The same by hand: a loop over all connections of one reactor.
const LOOP: &str = "bench-harness/peers/c/ringws_loop.c";
/// The C example with `busy_poll_us`.
const BUSY: &str = "bench-harness/peers/c/ringws_busy.c";
/// The C examples by epoll.
const EPOLL: &str = "bench-harness/peers/c/ringws_epoll.c";
const EPOLL_ALL: &str = "bench-harness/peers/c/ringws_epoll_all.c";
/// The C example with compression and encryption.
const WIRE: &str = "bench-harness/peers/c/ringws_wire.c";
const CARGO: &str = "cargo is needed: https://rustup.rs";

/// One of the echoes of ringws.
pub(super) fn echo(name: &str, workspace: &Workspace) -> Result<Built> {
    let program = match name {
        "ringws-c-mimalloc" => c_on_mimalloc(workspace)?,
        "ringws-c-busy" => {
            let program = workspace.programs()?.join("echo-busy");
            workspace.compile_echo(BUSY, &workspace.library()?, &program)?;
            program
        }
        "ringws-c-epoll" => {
            let program = workspace.programs()?.join("echo-epoll");
            workspace.compile_echo(EPOLL, &workspace.library()?, &program)?;
            program
        }
        "ringws-rust" => rust(workspace, workspace.target.clone(), &[])?,
        "ringws-rust-system" => {
            // A target directory of its own: both examples have the same path in it.
            let target = workspace.target.join("peers/ringws-system");
            rust(workspace, target, &["--features", "system-allocator"])?
        }
        "ringws-aio" => aio(workspace)?,
        _ => workspace.echo()?,
    };
    let mut built = Built::program(program, version(&workspace.root));
    built.roomy.push(MESSAGE_MAX.into());
    if name == "ringws-c" {
        let program = workspace.programs()?.join("echo-wire");
        workspace.compile_echo(WIRE, &workspace.library()?, &program)?;
        built.wire = Some(Wire::all(called(&program)));
    }
    let reactors = if name == "ringws-c-two" { "2" } else { "1" };
    built.broadcast = match name {
        "ringws-c" | "ringws-c-two" => {
            let program = workspace.programs()?.join("broadcast");
            workspace.compile_echo(ALL, &workspace.library()?, &program)?;
            Some([called(&program), vec![reactors.into()]].concat())
        }
        "ringws-c-epoll" => {
            let program = workspace.programs()?.join("broadcast-epoll");
            workspace.compile_echo(EPOLL_ALL, &workspace.library()?, &program)?;
            Some([called(&program), vec![reactors.into()]].concat())
        }
        "ringws-c-loop" => {
            let program = workspace.programs()?.join("broadcast-loop");
            workspace.compile_echo(LOOP, &workspace.library()?, &program)?;
            Some(called(&program))
        }
        _ => None,
    };
    Ok(built)
}

/// One of the ceilings.
pub(super) fn ceiling(name: &str, workspace: &Workspace) -> Result<Built> {
    let program = if name == "ceiling-epoll" { name } else { "ceiling-tcp" };
    let path = Workspace::own_program(program)?;
    let mut command = vec![path.to_string_lossy().into_owned()];
    let frames = name == "ceiling-frames";
    command.extend(frames.then(|| "--frames".to_owned()));
    let version = version(&workspace.root);
    Ok(Built { raw: !frames, ..Built::called(command, version) })
}

fn c_on_mimalloc(workspace: &Workspace) -> Result<PathBuf> {
    let target = workspace.target.join("peers/ringws-mimalloc");
    let mut command = cargo(&workspace.root);
    command.args(["build", "--release", "--quiet", "-p", "ringws-ffi", "--features", "mimalloc"]);
    run(command.arg("--target-dir").arg(&target), CARGO)?;
    let program = directory(target.join("c"))?.join("echo");
    workspace.compile_echo(ECHO, &target.join("release/libringws.a"), &program)?;
    Ok(program)
}

fn rust(workspace: &Workspace, target: PathBuf, features: &[&str]) -> Result<PathBuf> {
    let mut command = cargo(&workspace.root);
    command.args(["build", "--release", "--quiet", "-p", "ringws-engine", "--example", "echo"]);
    run(command.args(features).arg("--target-dir").arg(&target), CARGO)?;
    Ok(target.join("release/examples/echo"))
}

fn aio(workspace: &Workspace) -> Result<PathBuf> {
    let mut command = cargo(&workspace.root);
    command.args(["build", "--release", "--quiet", "-p", "ringws-engine", "--example", "echo_aio"]);
    command.args(["--features", "tokio-uring", "--target-dir"]).arg(&workspace.target);
    run(&mut command, CARGO)?;
    Ok(workspace.target.join("release/examples/echo_aio"))
}

/// The version of the crates, and the commit where there is one.
fn version(root: &Path) -> String {
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short", "HEAD"]).current_dir(root);
    let version = env!("CARGO_PKG_VERSION");
    match run(&mut git, "") {
        Ok(commit) => format!("{version} ({})", commit.trim()),
        Err(_) => version.into(),
    }
}
