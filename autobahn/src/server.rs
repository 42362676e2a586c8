//! A running echo server, from its first line to its exit.

use crate::command::tail;
use crate::error::{Error, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The longest message it accepts. The suite sends 16 MiB (cases 9.1.6 and 9.2.6).
const MESSAGE_MAX: usize = 64 << 20;

const START_MAX: Duration = Duration::from_secs(20);
const STOP_MAX: Duration = Duration::from_secs(20);

/// The process. Dropping it kills it; [`Running::stop`] ends it properly.
pub struct Running {
    child: Child,
    log: PathBuf,
    /// The port it listens on.
    pub port: u16,
}

impl Running {
    /// Runs the command with two more arguments, PORT (0: the system chooses) and MESSAGE_MAX, and
    /// waits for its first line, `listening on PORT`. What it writes to its standard error goes
    /// into the file `log`.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let file = File::create(log).map_err(Error::io(log.display().to_string()))?;
        command.args(["0", &MESSAGE_MAX.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(Error::io(program))?;
        let stdout = child.stdout.take();
        let mut server = Self { child, log: log.to_owned(), port: 0 };
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            // Reads on to the end, or a server that writes more would stand still.
            for line in stdout.into_iter().flat_map(|pipe| BufReader::new(pipe).lines()).flatten() {
                let _ = sender.send(line);
            }
        });
        let line = lines.recv_timeout(START_MAX).map_err(|error| match error {
            mpsc::RecvTimeoutError::Timeout => {
                server.problem(&format!("wrote no line within {} s", START_MAX.as_secs()))
            }
            mpsc::RecvTimeoutError::Disconnected => server.problem("ended before it listened"),
        })?;
        server.port = port(&line).ok_or_else(|| {
            server.problem(&format!("should begin with `listening on PORT`, not `{line}`"))
        })?;
        Ok(server)
    }

    /// Sends SIGTERM and waits for the exit. An error when it had ended before, does not end, or
    /// ends other than with status 0.
    pub fn stop(mut self) -> Result<()> {
        let waiting = || "wait for the server".to_owned();
        if let Some(status) = self.child.try_wait().map_err(Error::io(waiting()))? {
            return Err(self.problem(&format!("ended during the run ({status})")));
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let status = self.wait(Instant::now() + STOP_MAX)?;
        match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(self.problem(&format!("ended with {status} after SIGTERM"))),
            None => {
                let seconds = STOP_MAX.as_secs();
                Err(self.problem(&format!("did not end within {seconds} s of SIGTERM")))
            }
        }
    }

    fn wait(&mut self, until: Instant) -> Result<Option<ExitStatus>> {
        loop {
            let status = self.child.try_wait().map_err(Error::io("wait for the server"))?;
            if status.is_some() || Instant::now() >= until {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn problem(&self, what: &str) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        Error::Server { what: what.to_owned(), log: tail(&log) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn port(line: &str) -> Option<u16> {
    line.strip_prefix("listening on ")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server written in shell; it finds the arguments in `$1` and `$2`.
    fn start(name: &str, script: &str) -> Result<Running> {
        let log = format!("ringws-autobahn-{}-{name}.log", std::process::id());
        let log = std::env::temp_dir().join(log);
        let mut command = Command::new("sh");
        command.args(["-c", script, name]);
        let started = Running::start(command, &log);
        // Whoever has it open goes on using it.
        fs::remove_file(&log).expect("it was made");
        started
    }

    fn said(result: Result<()>) -> String {
        result.expect_err("an error").to_string()
    }

    const WAIT: &str = "while :; do sleep 0.05; done";

    #[test]
    fn started_and_stopped() {
        let check = "[ $1 = 0 ] && [ $2 = 67108864 ] || exit 1; trap 'exit 0' TERM";
        let script = format!("{check}; echo listening on 4711; echo more; {WAIT}");
        let server = start("good", &script).expect("starts");
        assert_eq!(server.port, 4711);
        server.stop().expect("exits with 0");
    }

    #[test]
    fn a_server_that_does_not_listen() {
        let ended = start("ends", "echo no ring >&2; exit 1").map(drop);
        let text = said(ended);
        assert!(text.contains("ended before it listened") && text.contains("| no ring"), "{text}");
        let text = said(start("talks", "echo hello; sleep 5").map(drop));
        assert!(text.contains("not `hello`"), "{text}");
    }

    #[test]
    fn a_server_that_crashes_or_exits_badly() {
        let crashed = start("crashes", "echo listening on 1; kill -SEGV $$").expect("starts");
        let ended = |pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.is_ok_and(|stat| stat.contains(") Z "))
        };
        let until = Instant::now() + Duration::from_secs(10);
        while !ended(crashed.child.id()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        let text = said(crashed.stop());
        assert!(text.contains("during the run") && text.contains("signal: 11"), "{text}");
        let script = format!("trap 'exit 3' TERM; echo listening on 1; {WAIT}");
        let text = said(start("fails", &script).expect("starts").stop());
        assert!(text.contains("exit status: 3 after SIGTERM"), "{text}");
    }
}
