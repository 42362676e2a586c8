//! The Autobahn suite: the one on PATH, or one installed below the target directory.

use crate::command::capture;
use crate::error::{Error, Result};
use crate::python;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// What makes an environment for Python 2.7: the last version that is one file, without
/// dependencies, and carries pip and setuptools for it along.
const VIRTUALENV: &str = "virtualenv==16.7.12";

/// What must be there before the others are built.
const FIRST: [&str; 2] = ["setuptools==", "incremental=="];

/// How to start the suite.
pub struct Suite {
    /// The program and its first arguments.
    command: Vec<PathBuf>,
    /// What it is, for the report.
    pub origin: String,
}

impl Suite {
    /// The suite, installed if need be under `dir`. `say` is told what takes long.
    pub fn find(dir: &Path, say: impl FnMut(&str)) -> Result<Self> {
        let on_path = Self { command: vec!["wstest".into()], origin: "wstest on PATH".into() };
        if on_path.works() {
            return Ok(on_path);
        }
        let venv = install(dir, say).map_err(|error| match error {
            Error::NoPython => error,
            other => Error::Install(Box::new(other)),
        })?;
        // Through python: the first line of the script `wstest` names it by an absolute path,
        // which the kernel limits to 255 bytes.
        let command = vec![venv.join("bin/python"), venv.join("bin/wstest")];
        let installed = Self { command, origin: format!("wstest in {}", venv.display()) };
        installed.version().map_err(|error| Error::Install(Box::new(error)))?;
        Ok(installed)
    }

    /// A command that runs wstest; its output is not buffered, so that it can be followed.
    pub fn command(&self) -> Command {
        let mut words = self.command.iter();
        let mut command = Command::new(words.next().map_or(Path::new("wstest"), PathBuf::as_path));
        command.args(words).env("PYTHONUNBUFFERED", "1");
        command
    }

    /// What the suite calls itself.
    pub fn version(&self) -> Result<String> {
        let text = capture(self.command().arg("--autobahnversion"))?;
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        Ok(lines.join(", "))
    }

    fn works(&self) -> bool {
        self.version().is_ok_and(|version| version.contains("AutobahnTestSuite"))
    }
}

/// Makes the environment, unless a complete one of the same versions is there. Returns its folder.
fn install(dir: &Path, mut say: impl FnMut(&str)) -> Result<PathBuf> {
    fs::create_dir_all(dir).map_err(Error::io(dir.display().to_string()))?;
    let lock = dir.join("install.lock");
    let lock = File::create(&lock).map_err(Error::io(lock.display().to_string()))?;
    lock.lock().map_err(Error::io("install.lock"))?;
    let venv = dir.join("venv");
    // Written last, so that an environment that was left half made is not taken for a whole one.
    let marker = venv.join("installed.txt");
    if fs::read_to_string(&marker).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(venv);
    }
    let python = python::find()?;
    say(&format!("installing the Autobahn suite with {}", python.display()));
    remove(&venv)?;
    let virtualenv = fetch_virtualenv(dir, &python)?;
    capture(
        Command::new(&python)
            .args(["-m", "virtualenv", "--quiet", "--no-download"])
            .arg(&venv)
            .env("PYTHONPATH", virtualenv),
    )?;
    let first = REQUIREMENTS.lines().filter(|line| FIRST.iter().any(|it| line.starts_with(it)));
    pip(&venv, first)?;
    let list = dir.join("requirements.txt");
    write(&list, REQUIREMENTS)?;
    pip(&venv, ["--requirement", &list.to_string_lossy()])?;
    write(&marker, REQUIREMENTS)?;
    Ok(venv)
}

/// Puts virtualenv into a folder of its own, with the pip of this Python or of a Python 3.
fn fetch_virtualenv(dir: &Path, python: &Path) -> Result<PathBuf> {
    let target = dir.join("virtualenv");
    remove(&target)?;
    let fetch = |python: &Path| {
        let quiet = ["-m", "pip", "install", "--quiet", "--no-deps", "--target"];
        capture(Command::new(python).args(quiet).arg(&target).arg(VIRTUALENV))
    };
    let has_pip = capture(Command::new(python).args(["-m", "pip", "--version"])).is_ok();
    match python::find_pip() {
        Some(python3) if !has_pip => fetch(&python3)?,
        _ => fetch(python)?,
    };
    Ok(target)
}

/// `pip install` in the environment. All packages are named with their version, so none may be
/// added by a dependency.
fn pip<'a>(venv: &Path, args: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let fixed = ["-m", "pip", "install", "--no-deps", "--disable-pip-version-check"];
    let mut command = Command::new(venv.join("bin/python"));
    capture(command.args(fixed).args(args)).map(|_| ())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(path.display().to_string())(error))
        }
        _ => Ok(()),
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(Error::io(path.display().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_requirement_is_pinned() {
        let lines: Vec<&str> = REQUIREMENTS.lines().filter(|l| !l.starts_with('#')).collect();
        for line in &lines {
            let (name, version) = line.split_once("==").expect("a pinned version");
            assert!(!name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()));
        }
        assert!(lines.contains(&"autobahntestsuite==25.10.1"));
        assert!(FIRST.iter().all(|it| lines.iter().any(|line| line.starts_with(it))));
    }
}
