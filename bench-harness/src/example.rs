//! Building what is measured: the library, `ffi/examples/echo.c` against it as a user would, and
//! the ceilings.

use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a static Rust library needs from the system.
const SYSTEM_LIBRARIES: [&str; 6] = ["-lpthread", "-ldl", "-lm", "-lgcc_s", "-lutil", "-lrt"];

/// The C echo server.
pub(crate) const ECHO: &str = "ffi/examples/echo.c";

/// The project's directory. The harness in it is a workspace of its own.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Where the sources are and where what is built goes.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The directory of the project's `Cargo.toml`.
    pub root: PathBuf,
    /// The project's target directory: `CARGO_TARGET_DIR` or what cargo's configuration says.
    pub target: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub fn find() -> Result<Self> {
        Self::of(PROJECT)
    }

    fn of(directory: &str) -> Result<Self> {
        let mut command = cargo(directory);
        command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
        let output = run(&mut command, "cargo is needed: https://rustup.rs")?;
        let metadata: serde_json::Value = serde_json::from_slice(&output)
            .map_err(|error| Error::Usage(format!("cargo metadata: {error}")))?;
        let path = |key: &str| {
            let path = metadata.get(key).and_then(serde_json::Value::as_str);
            path.map(PathBuf::from)
                .ok_or_else(|| Error::Usage(format!("cargo metadata names no {key}")))
        };
        Ok(Self { root: path("workspace_root")?, target: path("target_directory")? })
    }

    /// The static library, built now if it is not up to date.
    pub fn library(&self) -> Result<PathBuf> {
        let mut command = cargo(PROJECT);
        command.args(["build", "--release", "--quiet", "-p", "ringws-ffi", "--target-dir"]);
        command.arg(&self.target);
        run(&mut command, "cargo is needed: https://rustup.rs")?;
        Ok(self.target.join("release/libringws.a"))
    }

    /// One of this package's own programs, built now if it is not up to date: cargo builds only the
    /// one it is asked to run.
    pub fn own_program(name: &str) -> Result<PathBuf> {
        let harness = Self::of(env!("CARGO_MANIFEST_DIR"))?;
        let mut command = cargo(env!("CARGO_MANIFEST_DIR"));
        command.args(["build", "--release", "--quiet", "--bin", name]);
        command.arg("--target-dir").arg(&harness.target);
        run(&mut command, "cargo is needed: https://rustup.rs")?;
        Ok(harness.target.join("release").join(name))
    }

    /// The C echo server, compiled now.
    pub fn echo(&self) -> Result<PathBuf> {
        let library = self.library()?;
        let program = self.programs()?.join("echo");
        self.compile_echo(ECHO, &library, &program)?;
        Ok(program)
    }

    /// Where programs in C on the library go.
    pub fn programs(&self) -> Result<PathBuf> {
        let directory = self.target.join("peers/c");
        std::fs::create_dir_all(&directory)
            .map_err(Error::io(format!("creating {}", directory.display())))?;
        Ok(directory)
    }

    /// Compiles the C echo server, or a variant of it, against a library.
    pub(crate) fn compile_echo(&self, source: &str, library: &Path, program: &Path) -> Result<()> {
        let remedy = "set CC, or install a C compiler (gcc, clang)";
        run(&mut self.compile(source, library, program), remedy)?;
        Ok(())
    }

    /// Compiles a library that a program can be started with (`LD_PRELOAD`).
    pub(crate) fn compile_shared(&self, source: &str, library: &Path) -> Result<()> {
        let mut command = compiler();
        command.args(["-std=gnu11", "-O2", "-shared", "-fPIC", source, "-o"]);
        command.arg(library).current_dir(&self.root);
        run(&mut command, "set CC, or install a C compiler (gcc, clang)")?;
        Ok(())
    }

    fn compile(&self, source: &str, library: &Path, program: &Path) -> Command {
        let mut command = compiler();
        command.args(["-std=c11", "-O2", "-Iinclude"]);
        command.arg(source).arg(library).args(SYSTEM_LIBRARIES);
        command.arg("-o").arg(program).current_dir(&self.root);
        command
    }
}

fn compiler() -> Command {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let mut words = compiler.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("cc"));
    command.args(words);
    command
}

fn cargo(directory: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(directory);
    command
}

/// Runs to the end and returns the output; an error says what the program said.
fn run(command: &mut Command, remedy: &str) -> Result<Vec<u8>> {
    let line = format!("{command:?}").replace('"', "");
    let output = command
        .output()
        .map_err(|error| Error::Usage(format!("cannot run `{line}`: {error}; {remedy}")))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Usage(format!("`{line}` failed, {}:\n{}", output.status, said.trim_end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_found() {
        let workspace = Workspace::find().expect("cargo runs this test");
        assert!(workspace.root.join("bench-harness/Cargo.toml").exists());
        assert!(workspace.root.join("engine/Cargo.toml").exists());
        assert!(workspace.target.is_absolute());
    }

    #[test]
    fn a_missing_program_comes_with_its_remedy() {
        let error = run(&mut Command::new("/does/not/exist"), "install it").expect_err("missing");
        assert!(error.to_string().contains("install it"), "{error}");
        let error =
            run(Command::new("sh").args(["-c", "echo why >&2; exit 2"]), "").expect_err("2");
        assert!(error.to_string().contains("why"), "{error}");
    }
}
