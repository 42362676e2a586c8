//! Runs a program as where io_uring is forbidden: `without-io-uring PROGRAM [ARGUMENT ...]`.

#![allow(clippy::print_stderr)] // what is wrong with its command line

use ringws_kit::{IO_URING, deny};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: without-io-uring PROGRAM [ARGUMENT ...]");
        return ExitCode::from(2);
    };
    // As Docker's default profile says it.
    deny(&IO_URING, libc::EPERM);
    let error = Command::new(&program).args(words).exec();
    eprintln!("{}: {error}", program.display());
    ExitCode::from(127)
}
