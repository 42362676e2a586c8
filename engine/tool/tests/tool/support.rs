//! The tool as a process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

/// A run of the tool to its end.
pub(crate) fn ringws(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the tool")
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringws"));
    command.args(arguments);
    command
}

pub(crate) fn stdout(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(!text.contains('\u{1b}'), "colours in a pipe: {text}");
    text
}

/// `ringws serve` under way.
pub(crate) struct Serving {
    child: Child,
    out: BufReader<ChildStdout>,
    /// What to connect to.
    pub(crate) url: String,
}

impl Serving {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        let mut command = command(&["serve", "--port", "0"]);
        let child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the tool");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        out.read_line(&mut line).expect("a line");
        let url = line.strip_prefix("listening on ").expect("where it listens").trim().to_owned();
        Self { child, out, url }
    }

    /// The host and the port.
    pub(crate) fn authority(&self) -> &str {
        self.url.split('/').nth(2).expect("an authority")
    }

    pub(crate) fn port(&self) -> u16 {
        self.authority().rsplit(':').next().expect("a port").parse().expect("a number")
    }

    /// Ends it by a signal; what it said in the end.
    pub(crate) fn stop(mut self) -> String {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it lives");
        assert!(self.child.wait().expect("its end").success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).expect("text");
        rest
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
