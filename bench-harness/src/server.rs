//! A server under test: a child process, on a CPU of its own.

use crate::error::{Error, Result};
use crate::machine;
use crate::random::Random;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of what a server says about its failure is passed on.
const COMPLAINT_MAX: u64 = 8 * 1024;
/// Stands for the port in a command line.
const PORT: &str = "{port}";

/// How to start a server.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Program and arguments. `{port}` in an argument becomes the port.
    pub command: Vec<String>,
    /// Whether the server takes port 0 and prints `listening on N` first. Otherwise it is given a
    /// free port and counts as started when it takes connections.
    pub announces: bool,
    /// CPU to bind it to.
    pub cpu: Option<usize>,
}

impl Launch {
    /// From a command line, split at blanks.
    pub fn parse(line: &str) -> Self {
        let command = line.split_whitespace().map(str::to_owned).collect();
        Self { command, announces: false, cpu: None }
    }
}

/// A running server. Dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Kept open: a server that prints must not run into a closed pipe.
    _stdout: Option<BufReader<ChildStdout>>,
    complaint: Option<JoinHandle<String>>,
    name: String,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(launch: &Launch) -> Result<Self> {
        let port = if launch.announces { 0 } else { free_port()? };
        let command: Vec<_> = launch
            .command
            .iter()
            .map(|argument| argument.replace(PORT, &port.to_string()))
            .collect();
        let Some((program, arguments)) = command.split_first() else {
            return Err(Error::Usage("an empty command line for a server".into()));
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
        command.stdout(if launch.announces { Stdio::piped() } else { Stdio::null() });
        let mut child = spawn(&mut command, launch.cpu)
            .map_err(|error| Error::Server(format!("{program} does not start: {error}")))?;
        let complaint = child.stderr.take().map(|stderr| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let mut stderr = stderr;
                let _ = stderr.by_ref().take(COMPLAINT_MAX).read_to_end(&mut text);
                // The rest is not of interest, but the pipe must not fill up.
                let _ = std::io::copy(&mut stderr, &mut std::io::sink());
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let name = program.clone();
        let mut server = Self { child, _stdout: None, complaint, name, address };
        match server.wait_until_listening(launch.announces) {
            Ok(()) => Ok(server),
            Err(why) => Err(server.explain(&why)),
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().map_err(Error::io("waiting for the server"))
    }

    /// Interrupts it as Ctrl-C does and waits for its end.
    pub fn interrupt(mut self) -> Result<ExitStatus> {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // It may have ended already; then there is a status to collect.
            let _ = kill_process(pid, Signal::TERM);
        }
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(self.explain(&format!("it does not end within {PATIENCE:?} of SIGTERM")))
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    fn wait_until_listening(&mut self, announces: bool) -> std::result::Result<(), String> {
        if announces {
            return self.read_announcement();
        }
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.ended() {
                return Err(format!("it ended at once, {status}"));
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("it does not listen on {} within {PATIENCE:?}", self.address))
    }

    fn read_announcement(&mut self) -> std::result::Result<(), String> {
        let stdout = self.child.stdout.take().ok_or("its output cannot be read")?;
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            let read = stdout.read_line(&mut line);
            // Nobody waits any more when the patience is over.
            let _ = sender.send((read.map(|_| line), stdout));
        });
        let (line, stdout) = receiver
            .recv_timeout(PATIENCE)
            .map_err(|_| format!("it does not print `listening on N` within {PATIENCE:?}"))?;
        let line = line.map_err(|error| error.to_string())?;
        let port = line.trim().strip_prefix("listening on ").and_then(|port| port.parse().ok());
        self.address.set_port(port.ok_or_else(|| match line.trim() {
            "" => "it ended before it listened".to_owned(),
            line => format!("it printed `{line}` instead of `listening on N`"),
        })?);
        self._stdout = Some(stdout);
        Ok(())
    }

    /// Ends the process and adds what it said to the reason.
    fn explain(&mut self, why: &str) -> Error {
        self.kill();
        let said = self.complaint.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        let said = said.trim();
        let separator = if said.is_empty() { "" } else { "\n" };
        Error::Server(format!("{}: {why}{separator}{said}", self.name))
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A child inherits the CPUs of the thread that starts it.
fn spawn(command: &mut Command, cpu: Option<usize>) -> Result<Child> {
    let start = || {
        cpu.map_or(Ok(()), machine::pin)?;
        command.spawn().map_err(Error::io("fork or exec"))
    };
    std::thread::scope(|scope| scope.spawn(start).join())
        .unwrap_or_else(|_| Err(Error::Server("the starting thread panicked".into())))
}

/// One that nobody has just now, and that no client is given before it is used: Linux takes those
/// of clients from 32768 up (`ip_local_port_range`), and one of them on any address of this machine
/// would do to refuse it to a server.
pub(crate) fn free_port() -> Result<u16> {
    static TRIED: AtomicU64 = AtomicU64::new(0);
    const BEHIND: u64 = 32_768 - 10_000;
    let mut random = Random(u64::from(std::process::id()) << 32);
    let mut refused = None;
    for _ in 0..100 {
        random.0 = random.0.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + random.below(BEHIND) as u16;
        match TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
            Ok(_) => return Ok(port),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.map_or(Error::Server("no port".into()), Error::io("looking for a port")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, announces: bool) -> Launch {
        let command = ["sh", "-c", script].map(str::to_owned).into();
        Launch { command, announces, cpu: None }
    }

    #[test]
    fn an_announced_port_is_taken_and_the_end_is_reported() {
        let script = "trap 'exit 3' TERM; echo listening on 12345; while :; do sleep 0.05; done";
        let server = Server::start(&shell(script, true)).expect("it announces");
        assert_eq!(server.address.port(), 12345);
        assert_eq!(server.interrupt().expect("it ends").code(), Some(3));
    }

    #[test]
    fn what_a_failing_server_said_is_passed_on() {
        for announces in [true, false] {
            let launch = shell("echo no io_uring here >&2; exit 1", announces);
            let error = Server::start(&launch).expect_err("it fails").to_string();
            assert!(error.contains("no io_uring here"), "{error}");
        }
        let missing = Launch::parse("/does/not/exist {port}");
        assert!(Server::start(&missing).is_err());
    }
}
