//! An example as a child process.

use crate::Result;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long the server may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Kept open: a server that prints must not run into a closed pipe.
    _stdout: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it on a port (0: any); it prints `listening on N` when it listens.
    pub(crate) fn start(program: &Path, port: u16, more: &[&OsStr]) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg(port.to_string()).args(more);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("its output cannot be read")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut server = Self { child, _stdout: BufReader::new(stdout), address };
        let mut line = String::new();
        server._stdout.read_line(&mut line)?;
        let port = line.trim().strip_prefix("listening on ").and_then(|port| port.parse().ok());
        // Why it does not listen it has said itself, on standard error.
        server.address.set_port(port.ok_or("the server does not start")?);
        Ok(server)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// User and system time of its threads that live, to the nanosecond (`schedstat`).
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut sum = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            sum += text.split_whitespace().next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(sum))
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Ends it as Ctrl-C would, and sees that it ends well.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = self.pid().to_string();
        if !Command::new("kill").args(["-s", "TERM", &pid]).status()?.success() {
            return Err("the server ended before it was told to".into());
        }
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(format!("the server ended with {status} after SIGTERM").into());
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        Err(format!("the server does not end within {PATIENCE:?} of SIGTERM").into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already when all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
