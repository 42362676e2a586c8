//! The programs of ringws at the other end of a cell.

use super::certificate::Certificates;
use super::report::Report;
use super::script::run;
use super::{Mode, Target};
use crate::common::server::Server;
use crate::common::{Linkage, compilers, here, scratch};
use std::cell::Cell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// The longest message of the server: twice the largest that the clients send in earnest.
pub(crate) const MESSAGE_MAX: u32 = 32 << 20;

pub(crate) const STOP_MAX: Duration = Duration::from_secs(15);

fn compile(source: &Path, name: &str) -> PathBuf {
    let program = scratch("peers").join(name);
    let options = ["-O2", "-g", "-D_POSIX_C_SOURCE=200809L"];
    compilers()[0].program("c11", source, Linkage::Static, &options, &program);
    program
}

/// Our echo server, compiled once.
fn server() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let source = here().join("../autobahn/programs/server.c");
    PROGRAM.get_or_init(|| compile(&source, "server"))
}

/// Our client, compiled once.
fn client() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let source = here().join("../autobahn/programs/exchange.c");
    PROGRAM.get_or_init(|| compile(&source, "exchange"))
}

/// Runs our client against a server.
pub(crate) fn connected(target: &Target) -> Report {
    let mut command = Command::new(client());
    command.args(target.mode.flags());
    if let Some(roots) = target.roots() {
        command.arg("--roots").arg(roots);
    }
    command.arg(target.url());
    let mut report = Report::default();
    run(command, &|| panic!("it asks the server itself"), &mut report);
    report
}

/// The flags that show the certificate.
pub(crate) fn tls_flags(mode: Mode) -> Vec<OsString> {
    let Certificates { chain, key, .. } = Certificates::get();
    let flags = || ["--tls".into(), chain.into(), key.into()];
    mode.tls.then(flags).into_iter().flatten().collect()
}

/// Runs a client against a server of its own, which it may have stopped.
pub(crate) fn served(mode: Mode, client: impl FnOnce(&Target, &dyn Fn(), &mut Report)) -> Report {
    let mut args: Vec<OsString> = mode.flags().iter().map(Into::into).collect();
    args.extend(tls_flags(mode));
    args.extend(["0".into(), MESSAGE_MAX.to_string().into()]);
    let server = Server::start(server(), &args);
    let mut report = Report::default();
    let target = Target { mode, port: server.port };
    // Once: a second signal finds the program's handler gone.
    let stopped = Cell::new(false);
    let stop = || {
        if !stopped.replace(true) {
            server.signal("TERM");
        }
    };
    client(&target, &stop, &mut report);
    stop();
    let status = server.wait(STOP_MAX);
    assert!(status.success(), "the server ended with {status}");
    report
}
