//! The processes of a cluster: brokers and engines, which end with this one.

use super::engine::{Tuning, die_with_parent};
use crate::error::{Error, Result};
use crate::server::free_port;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a process may take to listen, and to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(10);
const SERVER: &str = "nats-server";

/// Whether brokers can be started: the server's version.
pub fn broker_version() -> Option<String> {
    let output = Command::new(SERVER).arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Becomes a broker that ends with its parent. Comes back only if that fails.
pub fn become_broker(config: &Path) -> Result<()> {
    die_with_parent()?;
    Err(Error::io(SERVER)(Command::new(SERVER).arg("-c").arg(config).exec()))
}

/// A child, which is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    /// Kept open: what prints must not run into a closed pipe.
    _stdout: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// Must be called by a thread that lives longer than the child.
    fn start(command: &mut Command, log: &Path, stdout: Stdio) -> Result<Self> {
        let log =
            File::options().create(true).append(true).open(log).map_err(Error::io("a log"))?;
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(log).spawn();
        Ok(Self { child: child.map_err(Error::io("starting a process"))?, _stdout: None })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It is ours until it was waited for: nobody else has its number.
            let _ = kill_process(pid, signal);
        }
    }

    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits for that. A broker tells 1 then, of its own free will.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.signal(Signal::TERM);
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.child.try_wait().map_err(Error::io("waiting"))? {
                Some(status) if matches!(status.code(), Some(0 | 1)) => return Ok(()),
                Some(status) => return Err(Error::Server(format!("it ended with {status}"))),
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        Err(Error::Server(format!("it does not end within {PATIENCE:?} of SIGTERM")))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where brokers are: their ports and configurations stay, their processes come and go.
pub(crate) struct Site {
    /// The program that starts them.
    program: PathBuf,
    pub(crate) directory: PathBuf,
    pub(crate) ports: Vec<u16>,
}

impl Site {
    /// Writes the configurations of so many brokers with routes to each other; under fire they
    /// notice within two seconds whom they cannot reach.
    pub(crate) fn new(
        program: &Path,
        directory: &Path,
        count: usize,
        tuning: Tuning,
    ) -> Result<Self> {
        let ports = || (0..count).map(|_| free_port()).collect::<Result<Vec<u16>>>();
        let (routes, ports) = (ports()?, ports()?);
        fs::create_dir_all(directory).map_err(Error::io("a directory"))?;
        let all: Vec<_> = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        for (index, (port, route)) in ports.iter().zip(&routes).enumerate() {
            let cluster = match count {
                1 => String::new(),
                _ => format!(
                    "cluster {{ name: c, listen: \"127.0.0.1:{route}\", routes: {all:?} }}\n"
                ),
            };
            let times = match tuning {
                Tuning::Defaults => "",
                Tuning::UnderFire => {
                    "ping_interval: \"1s\"\nping_max: 1\nwrite_deadline: \"1s\"\n\
                     lame_duck_duration: \"30s\"\n"
                }
            };
            let text =
                format!("server_name: b{index}\nlisten: \"127.0.0.1:{port}\"\n{times}{cluster}");
            fs::write(directory.join(format!("b{index}.conf")), text)
                .map_err(Error::io("a configuration"))?;
        }
        Ok(Self { program: program.into(), directory: directory.into(), ports })
    }

    /// Starts a broker, and waits until it listens.
    pub(crate) fn broker(&self, index: usize) -> Result<Process> {
        let mut command = Command::new(&self.program);
        command.arg("broker").arg(self.directory.join(format!("b{index}.conf")));
        let log = self.directory.join(format!("b{index}.log"));
        let mut process = Process::start(&mut command, &log, Stdio::null())?;
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports[index])).is_err() {
            let ended = process.child.try_wait().map_err(Error::io("waiting"))?;
            if ended.is_some() || Instant::now() > end {
                let text = fs::read_to_string(&log).unwrap_or_default();
                return Err(Error::Server(format!("{SERVER} does not listen\n{text}")));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(process)
    }

    /// Starts an engine, which is given the brokers from its own on; the port that it listens on.
    pub(crate) fn engine(&self, node: usize) -> Result<(Process, u16)> {
        let mut command = Command::new(&self.program);
        command.args(["engine", "--node", &(node + 1).to_string()]);
        let count = self.ports.len();
        for index in 0..count {
            command.arg(format!("127.0.0.1:{}", self.ports[(node + index) % count]));
        }
        let log = self.directory.join(format!("e{node}.log"));
        let mut process = Process::start(&mut command, &log, Stdio::piped())?;
        let (say, said) = mpsc::channel();
        let stdout = process.child.stdout.take();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout?);
            let mut line = String::new();
            // Nobody listens any more when the patience is over.
            stdout.read_line(&mut line).ok().and_then(|_| say.send((line, stdout)).ok())
        });
        let port = said.recv_timeout(PATIENCE).ok().and_then(|(line, stdout)| {
            process._stdout = Some(stdout);
            line.trim().strip_prefix("listening on ")?.parse().ok()
        });
        let port = port.ok_or_else(|| {
            let text = fs::read_to_string(&log).unwrap_or_default();
            Error::Server(format!("an engine does not listen\n{text}"))
        })?;
        Ok((process, port))
    }

    /// How many routes a broker has made.
    pub(crate) fn routes(&self, index: usize) -> usize {
        let log = fs::read_to_string(self.directory.join(format!("b{index}.log")));
        log.unwrap_or_default().matches("Route connection created").count()
    }
}
