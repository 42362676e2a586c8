//! Processes of `examples/cluster.c`, and how they are made.

use crate::common::{compilers, here, scratch, succeed};
use crate::markdown::blocks;
use ringws_kit::until;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

/// As the README makes it, by its own words; and on the library that it has installed, without a
/// warning and with sanitizers, by each compiler.
static PROGRAMS: LazyLock<Vec<PathBuf>> = LazyLock::new(|| {
    let root = here().join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let source = "ffi/examples/cluster.c";
    let commands = blocks(&readme, "sh").into_iter().find(|block| block.contains(source)).unwrap();
    for line in commands.lines() {
        succeed(Command::new("sh").args(["-c", line]).current_dir(&root));
    }
    let mut programs = vec![root.join("target/chat")];
    for compiler in compilers() {
        let program = scratch("cluster").join(compiler.c);
        let mut command = compiler.command("c11");
        command.args(["-D_POSIX_C_SOURCE=200809L", "-g", "-fsanitize=address,undefined"]);
        command.arg(root.join(source)).arg("-o").arg(&program);
        succeed(command.arg(root.join("target/cluster/lib/libringws.a")));
        programs.push(program);
    }
    programs
});

/// One of them, killed when dropped.
#[derive(Debug)]
pub(crate) struct Engine {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// What it has said on standard error.
    log: Arc<Mutex<String>>,
    pub(crate) port: u16,
}

impl Engine {
    fn start(program: &PathBuf, broker: &str, rooms: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(["0", broker]).args(rooms).env("ASAN_OPTIONS", "detect_leaks=1");
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a program");
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let log: Arc<Mutex<String>> = Arc::default();
        let to = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                *to.lock().unwrap() += &(line + "\n");
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let port = line.strip_prefix("listening on ").and_then(|rest| rest.trim().parse().ok());
        let port = port.unwrap_or_else(|| panic!("{line:?}: {}", log.lock().unwrap()));
        Self { child, stdout, log, port }
    }

    /// Waits until so many lines of its log begin so.
    pub(crate) fn logs(&self, begin: &str, count: usize) {
        until(begin, || {
            let log = self.log.lock().unwrap();
            log.lines().filter(|line| line.starts_with(begin)).count() >= count
        });
    }

    pub(crate) fn signal(&self, name: &str) {
        succeed(Command::new("kill").args(["-s", name, &self.child.id().to_string()]));
    }

    /// It ends by itself, and well; what it has printed.
    pub(crate) fn ends(mut self) -> String {
        until("its end", || self.child.try_wait().unwrap().is_some());
        let mut said = String::new();
        self.stdout.read_to_string(&mut said).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {said}{}", self.log.lock().unwrap());
        said
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Three engines that have all found the broker.
pub(crate) fn three(broker: &str, rooms: &[&str]) -> Vec<Engine> {
    let programs = PROGRAMS.iter().cycle().take(3);
    let engines: Vec<Engine> =
        programs.map(|program| Engine::start(program, broker, rooms)).collect();
    engines.iter().for_each(|engine| engine.logs("bus up", 1));
    engines
}

/// How it ends with these arguments, and what it says.
pub(crate) fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("timeout");
    let output = command.arg("20").arg(&PROGRAMS[1]).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}
