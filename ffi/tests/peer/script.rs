//! Programs that drive a server: they print `ok NAME` for what they did, `n.a. NAME: REASON` for
//! what they cannot do, and `stop` when the server shall end and so close their connection.

use super::report::Report;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How long a program may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(150);

/// Runs the program to its end.
pub(crate) fn run(mut program: Command, stop: &dyn Fn(), report: &mut Report) {
    let mut child = program.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines() {
            let _ = sender.send(line.unwrap());
        }
    });
    let mut said = Vec::new();
    loop {
        match lines.recv_timeout(SILENCE_MAX) {
            Ok(line) => {
                hear(&line, stop, report);
                said.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                said.push(format!("nothing more for {SILENCE_MAX:?}"));
            }
        }
    }
    let status = child.wait().unwrap();
    assert!(status.success(), "{program:?}: {status}\n{}", said.join("\n"));
}

fn hear(line: &str, stop: &dyn Fn(), report: &mut Report) {
    if line == "stop" {
        stop();
    } else if let Some(rest) = line.strip_prefix("ok ") {
        report.ok(rest.split(' ').next().unwrap());
    } else if let Some((exchange, why)) =
        line.strip_prefix("n.a. ").and_then(|rest| rest.split_once(": "))
    {
        report.not_applicable(exchange, why);
    }
}
