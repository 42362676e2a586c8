//! A server program under test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts it; its first line must be `listening on <port>`.
    pub(crate) fn start(program: &Path, args: &[impl AsRef<OsStr>]) -> Self {
        Self::spawn(Command::new(program).args(args))
    }

    /// As `start`, of a command with all its arguments.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        match line.trim_end().strip_prefix("listening on ").and_then(|port| port.parse().ok()) {
            Some(port) => Self { child, port },
            None => {
                // It may still run: without its end there is no end of its errors.
                let _ = child.kill();
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("{command:?} said {line:?} and {said:?}");
            }
        }
    }

    /// Sends a signal, by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        super::succeed(Command::new("kill").args(["-s", name, &pid]));
    }

    /// What it says from now on, until its end.
    pub(crate) fn says_until_its_end(&mut self) -> String {
        let mut said = String::new();
        self.child.stdout.as_mut().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    /// Waits for its end; panics if that takes longer, or if it said anything on standard error.
    pub(crate) fn wait(mut self, longest: Duration) -> ExitStatus {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(start.elapsed() < longest, "did not end within {longest:?}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "", "on standard error, with {status}");
        status
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
