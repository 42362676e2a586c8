//! Another implementation on the other end: `openssl s_client`.

use super::certs::Authority;
use super::service::{Service, settings};
use ringws_kit::{CLOSE, Frame, TEXT, close, request};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Whether openssl is there to be asked; where it must be, it is.
fn installed() -> bool {
    let found = Command::new("openssl").arg("version").output().is_ok();
    assert!(found || std::env::var_os("RINGWS_ALL_COMPILERS").is_none(), "no openssl");
    found
}

struct Client(Child);

impl Client {
    fn new(service: &Service, roots: &PathBuf, options: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-servername", "localhost", "-verify_return_error", "-CAfile"]);
        command.arg(roots).args(["-connect", &format!("127.0.0.1:{}", service.port)]);
        command.args(["-verify_hostname", "localhost"]).args(options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn say(&mut self, bytes: &[u8]) {
        self.0.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// What it writes until these bytes come.
    fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut seen = Vec::new();
        let stdout = self.0.stdout.as_mut().unwrap();
        while !seen.ends_with(end) {
            let mut byte = [0];
            let more = stdout.read(&mut byte).unwrap();
            assert_eq!(more, 1, "ended after {:?}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
        seen
    }

    /// All that it says until it ends.
    fn end(mut self) -> String {
        let mut said = String::new();
        let mut errors = self.0.stderr.take().unwrap();
        let reading = thread::spawn(move || {
            let mut said = String::new();
            errors.read_to_string(&mut said).unwrap();
            said
        });
        let mut stdout = self.0.stdout.take().unwrap();
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).unwrap();
        said.push_str(&String::from_utf8_lossy(&bytes));
        said.push_str(&reading.join().unwrap());
        self.0.wait().unwrap();
        said
    }
}

fn service(name: &str) -> (Service, PathBuf) {
    let authority = Authority::new("test");
    let roots = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pem"));
    std::fs::write(&roots, authority.pem()).unwrap();
    (Service::new(&settings(&[&authority.issue_rsa(&["localhost"])])), roots)
}

#[test]
fn openssl_is_understood_in_both_versions() {
    if !installed() {
        return;
    }
    let (service, roots) = service("talks");
    for version in ["-tls1_2", "-tls1_3"] {
        let mut client =
            Client::new(&service, &roots, &[version, "-quiet", "-alpn", "h2,http/1.1"]);
        client.say(request("/", &[]).as_bytes());
        client.until(b"\r\n\r\n");
        for (first, payload) in [(TEXT, b"hello".to_vec()), (CLOSE, close(1000, ""))] {
            let frame = Frame::new(first, &payload);
            client.say(&frame.bytes());
            assert_eq!(client.until(&payload), frame.unmasked().bytes());
        }
        let said = client.end();
        assert!(!said.contains("error"), "{said}");
    }
    service.until("closed", |stats| stats.connections == 0);
    assert_eq!(service.seen(|seen| seen.closes.clone()), [(1000, Some(1000)); 2]);
}

/// In TLS 1.2 a peer may ask for another handshake within the first: it is told that there is none.
#[test]
fn another_handshake_within_the_first_is_refused() {
    if !installed() {
        return;
    }
    let (service, roots) = service("renegotiates");
    let mut client = Client::new(&service, &roots, &["-tls1_2"]);
    client.until(b"---\n");
    // A command is one only at the beginning of what is read at a time.
    thread::sleep(Duration::from_millis(300));
    client.say(b"R\n");
    let said = client.end();
    assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
    service.until("closed", |stats| stats.connections == 0);
}

#[test]
fn openssl_is_refused_what_rustls_is() {
    if !installed() {
        return;
    }
    let (service, roots) = service("refused");
    for (options, why) in [
        (&["-alpn", "h2"][..], "no application protocol"),
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "alert"),
        (&["-tls1_2", "-cipher", "AES128-SHA"], "handshake failure"),
    ] {
        let said = Client::new(&service, &roots, options).end();
        assert!(said.contains(why), "{said}");
    }
    service.until("counted", |stats| stats.tls_failed == 3);
}
