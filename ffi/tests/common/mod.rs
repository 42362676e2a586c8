//! What the tests of the C ABI share: the built library, the C compilers, running programs.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod server;
pub(crate) mod ticker;
pub(crate) mod websocket;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};

/// The package's directory.
pub(crate) fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds the library as this test was built and returns where libringws.a and libringws.so lie.
pub(crate) fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // This program is <target>/<profile>/deps/<name>-<hash>.
        let exe = std::env::current_exe().unwrap();
        let profile = exe.ancestors().nth(2).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "ringws-ffi"]);
        cargo.arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        succeed(cargo.current_dir(here()));
        profile.to_owned()
    })
}

/// A place for what a test makes, its own.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Runs a program to its end; its output. Panics with all it said if it failed.
pub(crate) fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        said(&output.stdout),
        said(&output.stderr),
    );
    output
}

/// The standard output of a program that must succeed.
pub(crate) fn stdout_of(command: &mut Command) -> String {
    String::from_utf8(succeed(command).stdout).unwrap()
}

/// How a program is linked with the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linkage {
    Static,
    Shared,
}

/// A C and a C++ compiler of one maker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compiler {
    pub(crate) c: &'static str,
    pub(crate) cxx: &'static str,
}

const COMPILERS: [Compiler; 2] =
    [Compiler { c: "gcc", cxx: "g++" }, Compiler { c: "clang", cxx: "clang++" }];

/// Those that are installed; at least one must be, and both where `RINGWS_ALL_COMPILERS` is set.
pub(crate) fn compilers() -> Vec<Compiler> {
    let works = |name: &str| Command::new(name).arg("--version").output().is_ok();
    let found: Vec<Compiler> =
        COMPILERS.into_iter().filter(|compiler| works(compiler.c) && works(compiler.cxx)).collect();
    assert!(!found.is_empty(), "neither gcc nor clang is installed");
    let all = std::env::var_os("RINGWS_ALL_COMPILERS").is_some();
    assert!(!all || found.len() == COMPILERS.len(), "only {found:?} are installed");
    found
}

/// The warnings that must not be.
pub(crate) const STRICT: [&str; 6] =
    ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"];

impl Compiler {
    /// The compiler for a source or a language standard, with the headers and all warnings.
    pub(crate) fn command(self, standard: &str) -> Command {
        let mut command = Command::new(if standard.starts_with("c++") { self.cxx } else { self.c });
        command.arg(format!("-std={standard}")).args(STRICT).arg("-I");
        command.arg(here().join("../include"));
        command
    }

    /// Makes a program of one source. Tests run side by side: a place is written only once, or one
    /// test would run another's program, or find it half written (`ETXTBSY`).
    pub(crate) fn program(
        self,
        standard: &str,
        source: &Path,
        linkage: Linkage,
        options: &[&str],
        to: &Path,
    ) {
        static MADE: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
        let first = MADE.lock().unwrap().get_or_insert_default().insert(to.to_owned());
        assert!(first, "two tests make {}", to.display());
        let mut command = self.command(standard);
        command.args(options).arg(source).arg("-o").arg(to);
        match linkage {
            Linkage::Static => command.arg(library().join("libringws.a")),
            Linkage::Shared => command
                .arg("-L")
                .arg(library())
                .arg("-lringws")
                .arg(format!("-Wl,-rpath,{}", library().display())),
        };
        // What `rustc --print native-static-libs` names.
        succeed(command.args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]));
    }
}
