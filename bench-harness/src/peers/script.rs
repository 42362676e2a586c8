//! Peers in JavaScript and Python, each with what it needs in a directory of its own.

use super::Built;
use super::tool::{copy, directory, once, read, run};
use crate::error::{Error, Result};
use crate::example::Workspace;
use std::path::Path;
use std::process::Command;

const NODE: &str =
    "it needs node 20 or later and npm (Debian: nodejs, npm), and registry.npmjs.org";
const PYTHON: &str = "it needs python3 with venv (Debian: python3-venv), and pypi.org";

/// `ws` under node.
pub(super) fn node(workspace: &Workspace) -> Result<Built> {
    let sources = workspace.root.join("bench-harness/peers/node");
    let at = directory(workspace.target.join("peers/node"))?;
    for file in ["package.json", "package-lock.json"] {
        copy(&sources.join(file), &at)?;
    }
    // Modules are looked for beside the script.
    let script = copy(&sources.join("echo.js"), &at)?;
    let lock = read(&sources.join("package-lock.json"))?;
    once(&at, &lock, || {
        let mut npm = Command::new("npm");
        // bufferutil brings its binary along; nothing is to be compiled.
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&at);
        run(&mut npm, NODE).map(drop)
    })?;
    let node = run(Command::new("node").arg("--version"), NODE)?;
    let (ws, bufferutil) = (npm_version(&lock, "ws")?, npm_version(&lock, "bufferutil")?);
    let version = format!("{ws}, bufferutil {bufferutil}, node {}", node.trim());
    let command = vec!["node".into(), text(&script), "{port}".into()];
    Ok(Built::called(command, version).with_wire(true, true))
}

/// `picows` under uvloop.
pub(super) fn python(workspace: &Workspace) -> Result<Built> {
    let sources = workspace.root.join("bench-harness/peers/python");
    let at = directory(workspace.target.join("peers/python"))?;
    let requirements = sources.join("requirements.txt");
    let wanted = read(&requirements)?;
    once(&at, &wanted, || {
        run(Command::new("python3").args(["-m", "venv"]).arg(&at), PYTHON)?;
        let mut pip = Command::new(at.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--requirement"]);
        run(pip.arg(&requirements), PYTHON).map(drop)
    })?;
    let interpreter = at.join("bin/python");
    let python = run(Command::new(&interpreter).arg("--version"), PYTHON)?;
    let of = |package| pinned(&wanted, package);
    let (picows, uvloop) = (of("picows")?, of("uvloop")?);
    let version = format!("{picows}, uvloop {uvloop}, {}", python.trim());
    let command = vec![text(&interpreter), text(&sources.join("echo.py")), "{port}".into()];
    Ok(Built::called(command, version).with_wire(false, true))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The version of a package in a `package-lock.json`.
fn npm_version(lock: &str, package: &str) -> Result<String> {
    let lock: serde_json::Value = serde_json::from_str(lock)
        .map_err(|error| Error::Usage(format!("package-lock.json: {error}")))?;
    let entry = lock.get("packages").and_then(|all| all.get(format!("node_modules/{package}")));
    let version = entry.and_then(|entry| entry.get("version")).and_then(|it| it.as_str());
    version
        .map(str::to_owned)
        .ok_or_else(|| Error::Usage(format!("package-lock.json has no {package}")))
}

/// The version of a package in a `requirements.txt` of exact versions.
fn pinned(requirements: &str, package: &str) -> Result<String> {
    let lines = requirements.lines().filter_map(|line| line.trim().split_once("=="));
    let mut versions = lines.filter(|(name, _)| *name == package).map(|(_, version)| version);
    versions
        .next()
        .map(str::to_owned)
        .ok_or_else(|| Error::Usage(format!("requirements.txt does not pin {package}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        let lock = r#"{"packages": {"": {}, "node_modules/ws": {"version": "8.1.0"}}}"#;
        assert_eq!(npm_version(lock, "ws").expect("there"), "8.1.0");
        assert!(npm_version(lock, "other").is_err());
        assert!(npm_version("", "ws").is_err());
        assert_eq!(pinned("a==1\nb==2.0\n", "b").expect("there"), "2.0");
        assert!(pinned("b>=2", "b").is_err());
    }
}
