//! Looking for Python 2.7, the last that the Autobahn suite runs on.

use crate::command::capture;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Prints the version, for telling a Python 2.7 from what only has its name (a pyenv shim).
const VERSION: &str = "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])";

/// A Python 2.7 that runs.
pub fn find() -> Result<PathBuf> {
    candidates().into_iter().find(|python| runs(python)).ok_or(Error::NoPython)
}

/// A Python 3 that runs and has pip, to fetch virtualenv for a Python 2.7 without pip.
pub fn find_pip() -> Option<PathBuf> {
    let python = PathBuf::from("python3");
    capture(Command::new(&python).args(["-m", "pip", "--version"])).ok().map(|_| python)
}

fn runs(python: &Path) -> bool {
    capture(Command::new(python).args(["-c", VERSION])).is_ok_and(|version| version == "2.7")
}

/// CPython first: the suite's C extensions have wheels for it.
fn candidates() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["python2.7", "python2"].map(PathBuf::from).into();
    let versions = pyenv_versions();
    found.extend(versions.iter().map(|version| version.join("bin/python2.7")));
    found.extend(["pypy2.7", "pypy2", "pypy"].map(PathBuf::from));
    found.extend(versions.iter().map(|version| version.join("bin/pypy")));
    found
}

/// The folders of the versions 2.7 of pyenv, newest first.
fn pyenv_versions() -> Vec<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(std::env::home_dir()?.join(".pyenv")));
    let Some(entries) = root.and_then(|root| std::fs::read_dir(root.join("versions")).ok()) else {
        return Vec::new();
    };
    let mut versions: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    versions.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("2.7") || name.starts_with("pypy2.7")
    });
    versions.sort();
    versions.reverse();
    versions
}
