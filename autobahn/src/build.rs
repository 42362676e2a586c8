//! Building the echo servers.

use crate::command::run;
use crate::error::{Error, Result};
use crate::workspace::{Workspace, cargo};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the static library needs of the system, as `rustc --print native-static-libs` says.
const NATIVE_LIBS: [&str; 6] = ["-lpthread", "-ldl", "-lm", "-lgcc_s", "-lutil", "-lrt"];

/// The server that the suite runs against.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Server {
    /// ffi/examples/echo.c on the static library
    C,
    /// ffi/examples/echo.cpp on the static library
    Cpp,
    /// engine/examples/echo.rs
    Rust,
    /// engine/examples/echo_aio.rs, on tokio-uring
    Aio,
    /// A server that already runs, at --url
    None,
}

impl Server {
    /// Its name in the reports.
    pub fn agent(self) -> &'static str {
        match self {
            Self::C => "ringws-c",
            Self::Cpp => "ringws-cpp",
            Self::Rust => "ringws-rust",
            Self::Aio => "ringws-aio",
            Self::None => "server",
        }
    }

    /// Builds the program and returns its path; `None` when there is nothing to build.
    pub fn build(self, workspace: &Workspace) -> Result<Option<PathBuf>> {
        match self {
            Self::C => compile(workspace, "echo.c", "CC", "cc", &[]).map(Some),
            Self::Cpp => compile(workspace, "echo.cpp", "CXX", "c++", &["-std=c++17"]).map(Some),
            Self::Rust => example(workspace, "echo", &[]).map(Some),
            Self::Aio => example(workspace, "echo_aio", &["--features", "tokio-uring"]).map(Some),
            Self::None => Ok(None),
        }
    }
}

/// Builds an example of the engine.
fn example(workspace: &Workspace, name: &str, flags: &[&str]) -> Result<PathBuf> {
    run(release(workspace).args(["-p", "ringws-engine", "--example", name]).args(flags))?;
    Ok(workspace.target.join("release/examples").join(name))
}

/// Builds the library and compiles a program of ffi/examples against it.
fn compile(
    workspace: &Workspace,
    source: &str,
    compiler_variable: &str,
    compiler: &str,
    flags: &[&str],
) -> Result<PathBuf> {
    run(release(workspace).args(["-p", "ringws-ffi"]))?;
    let folder = workspace.target.join("autobahn/bin");
    std::fs::create_dir_all(&folder).map_err(Error::io(folder.display().to_string()))?;
    let program = folder.join(source.replace('.', "-"));
    let compiler = std::env::var_os(compiler_variable).unwrap_or_else(|| compiler.into());
    let mut command = Command::new(compiler);
    command.args(flags).args(["-O2", "-g", "-I"]).arg(workspace.root.join("include"));
    command.arg(workspace.root.join("ffi/examples").join(source));
    command.arg(library(&workspace.target)).args(NATIVE_LIBS).arg("-o").arg(&program);
    run(&mut command)?;
    Ok(program)
}

fn library(target: &Path) -> PathBuf {
    target.join("release/libringws.a")
}

fn release(workspace: &Workspace) -> Command {
    let mut command = cargo();
    command.current_dir(&workspace.root).args(["build", "--release", "--quiet"]);
    command
}
