//! Building the programs under test.

use crate::command::run;
use crate::error::{Error, Result};
use crate::workspace::{Workspace, cargo};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the static library needs of the system, as `rustc --print native-static-libs` says.
const NATIVE_LIBS: [&str; 6] = ["-lpthread", "-ldl", "-lm", "-lgcc_s", "-lutil", "-lrt"];

/// The echo servers that the library comes with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Server {
    /// ffi/examples/echo.c on the static library; with a mode, programs/server.c
    C,
    /// ffi/examples/echo.cpp on the static library
    Cpp,
    /// engine/examples/echo.rs
    Rust,
    /// engine/examples/echo_aio.rs, on tokio-uring
    Aio,
}

impl Server {
    /// Its name in the reports.
    pub fn agent(self) -> &'static str {
        match self {
            Self::C => "ringws-c",
            Self::Cpp => "ringws-cpp",
            Self::Rust => "ringws-rust",
            Self::Aio => "ringws-aio",
        }
    }

    /// Builds the program and returns its path; `modes` asks for the one that has them.
    pub fn build(self, workspace: &Workspace, modes: bool) -> Result<PathBuf> {
        match self {
            Self::C if modes => c_program(workspace, "server.c"),
            Self::C => compile(workspace, "ffi/examples/echo.c", "CC", "cc", &[]),
            Self::Cpp => {
                let source = "ffi/examples/echo.cpp";
                compile(workspace, source, "CXX", "c++", &["-std=c++17"])
            }
            Self::Rust => example(workspace, "echo"),
            Self::Aio => example(workspace, "echo_aio"),
        }
    }
}

/// The clients that the library comes with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Client {
    /// programs/client.c on the static library
    C,
}

impl Client {
    /// Its name in the reports.
    pub fn agent(self) -> &'static str {
        match self {
            Self::C => "ringws-c-client",
        }
    }

    /// Builds the program and returns its path.
    pub fn build(self, workspace: &Workspace) -> Result<PathBuf> {
        match self {
            Self::C => c_program(workspace, "client.c"),
        }
    }
}

/// Builds an example of the engine: all with the same features, so that the engine is built once.
fn example(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let what = ["-p", "ringws-engine", "--example", name, "--features", "tokio-uring"];
    run(build(workspace).args(["--profile", "demo"]).args(what))?;
    Ok(workspace.target.join("demo/examples").join(name))
}

/// Builds a program that has all modes, without a warning.
fn c_program(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let source = format!("autobahn/programs/{name}");
    compile(workspace, &source, "CC", "cc", &["-std=c11", "-Wall", "-Wextra", "-Werror"])
}

/// Builds the library and compiles a program against it.
fn compile(
    workspace: &Workspace,
    source: &str,
    compiler_variable: &str,
    compiler: &str,
    flags: &[&str],
) -> Result<PathBuf> {
    run(build(workspace).args(["--release", "-p", "ringws-ffi"]))?;
    let folder = workspace.target.join("autobahn/bin");
    std::fs::create_dir_all(&folder).map_err(Error::io(folder.display().to_string()))?;
    let name = Path::new(source).file_name().unwrap_or_default().to_string_lossy();
    let program = folder.join(name.replace('.', "-"));
    let compiler = std::env::var_os(compiler_variable).unwrap_or_else(|| compiler.into());
    let mut command = Command::new(compiler);
    command.args(flags).args(["-O2", "-g", "-I"]).arg(workspace.root.join("include"));
    command.arg(workspace.root.join(source));
    command.arg(library(&workspace.target)).args(NATIVE_LIBS).arg("-o").arg(&program);
    run(&mut command)?;
    Ok(program)
}

fn library(target: &Path) -> PathBuf {
    target.join("release/libringws.a")
}

fn build(workspace: &Workspace) -> Command {
    let mut command = cargo();
    command.current_dir(&workspace.root).args(["build", "--quiet"]);
    command
}
