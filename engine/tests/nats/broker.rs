//! Brokers: nats-server, as processes of the test.

use ringws_kit::{free_port, until};
use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A directory that is removed at the end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringws-nats-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes a file, and says where.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One server.
pub(crate) struct Broker {
    pub(crate) port: u16,
    directory: Directory,
    child: Option<Child>,
}

impl Broker {
    /// With these lines in its configuration.
    pub(crate) fn start(config: &str) -> Self {
        Self::start_on(free_port(), config)
    }

    pub(crate) fn start_on(port: u16, config: &str) -> Self {
        let mut broker = Self { port, directory: Directory::new(), child: None };
        broker.begin(config);
        broker
    }

    /// Begins on the same port, after its end.
    pub(crate) fn begin(&mut self, config: &str) {
        let port = self.port;
        let config = format!("listen: \"127.0.0.1:{port}\"\n{config}\n");
        let path = self.directory.file("nats.conf", &config);
        let log = fs::File::create(self.directory.0.join("log")).unwrap();
        let child = Command::new("nats-server")
            .arg("-c")
            .arg(path)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("nats-server: {error}. These tests need it: apt-get install nats-server")
            });
        self.child = Some(child);
        until("the broker listens", || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the broker has ended: {}", self.log());
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
    }

    pub(crate) fn log(&self) -> String {
        let mut text = String::new();
        let file = fs::File::open(self.directory.0.join("log"));
        file.and_then(|mut file| file.read_to_string(&mut text)).unwrap();
        text
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// By its name, "STOP".
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(status.success(), "kill -s {name} {id}: {status}");
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}
