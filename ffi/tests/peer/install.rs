//! Peers in JavaScript and Python: what they need is installed below the target directory, at
//! versions that are fixed here. Something that is missing on the machine is a failure, with what
//! to do.

use crate::common::{here, stdout_of, succeed};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The third is a binding that brings a libcurl along, since one with WebSocket is not to be had
/// from every system.
const PYTHON: [&str; 4] =
    ["websockets==16.0", "aiohttp==3.14.5", "curl_cffi==0.17.0", "prometheus_client==0.26.0"];
const WS: &str = "ws@8.23.0";

/// A program of this folder.
pub(crate) fn program(name: &str) -> PathBuf {
    here().join("tests/peer").join(name)
}

/// A Python with the packages, in an environment of its own.
pub(crate) fn python() -> Command {
    let venv = home().join("venv");
    let python = venv.join("bin/python");
    once(&venv, &PYTHON.join(" "), || {
        succeed(Command::new(system_python()).args(["-m", "venv", "--clear"]).arg(&venv));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        succeed(Command::new(&python).args(pip).args(PYTHON));
    });
    Command::new(python)
}

/// Node, told where the package `ws` is.
pub(crate) fn node_with_ws() -> Command {
    let folder = home().join("node");
    let mut command = node();
    once(&folder, WS, || {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"]).arg(&folder);
        succeed(npm.arg(WS));
    });
    command.env("NODE_PEERS", &folder);
    command
}

/// Node with a WebSocket of its own: from version 22 on, behind a flag from 20.10 on.
pub(crate) fn node_with_websocket() -> Command {
    const HAS: &str = "process.exit(typeof WebSocket === 'function' ? 0 : 1)";
    for flags in [&[] as &[&str], &["--experimental-websocket"]] {
        // A version that does not know the flag exits with 9.
        if node().args(flags).args(["--eval", HAS]).output().unwrap().status.success() {
            let mut command = node();
            command.args(flags);
            return command;
        }
    }
    let version = stdout_of(node().arg("--version"));
    panic!("node {} has no WebSocket of its own: install version 22", version.trim());
}

fn node() -> Command {
    let there = Command::new("node").arg("--version").output().is_ok();
    assert!(there, "no node on PATH: install Node.js 20.10 or later with npm (`nodejs`, `npm`)");
    Command::new("node")
}

/// A Python that the package supports, and that can make environments.
fn system_python() -> &'static str {
    const SUITABLE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";
    let names = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];
    let suitable = |name: &&str| {
        let output = Command::new(name).args(["-c", SUITABLE]).output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = names.into_iter().find(suitable);
    found.expect("no Python 3.10 or later with venv: install `python3` and `python3-venv`")
}

/// Where the clients are installed.
fn home() -> PathBuf {
    // Cargo gives tests `<target>/tmp`.
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("peers-of-tests");
    fs::create_dir_all(&home).unwrap();
    home
}

/// Installs what is not there yet, in this version; other tests that want the same wait.
fn once(folder: &Path, version: &str, install: impl FnOnce()) {
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    // Written last: a folder that was left half made is made again.
    let marker = folder.join("installed.txt");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == version) {
        return;
    }
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    install();
    fs::write(marker, version).unwrap();
}
