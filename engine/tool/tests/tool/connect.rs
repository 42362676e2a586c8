//! `ringws connect`: scripts and pipes; and `serve` with TLS, since that needs a client.

use crate::support::{Serving, command, ringws, stdout};
use ringws_kit::{CLOSE, Frame, TEXT, accept, close, once, read_masked};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Output, Stdio};

/// What a pipe of these lines comes to.
fn pipe(arguments: &[&str], lines: &str) -> Output {
    let mut command = command(arguments);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the tool");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    child.wait_with_output().expect("its end")
}

#[test]
fn lines_are_sent_and_answers_printed() {
    let server = Serving::new(&["--deflate"]);
    let lines = ["-x", "hello", "-x", "//slash", "-x", "/ping now", "-x", "/binary 00 ff"];
    let output = ringws(&[&["connect", &server.url, "-v"], &lines[..]].concat());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stdout(&output), "hello\n/slash\nPong \"now\"\n2 bytes: 00 ff\n");
    let head = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(head.contains("< Upgrade: websocket\n"), "{head}");
    let output = pipe(&["connect", &server.url, "--wait", "0.3"], "one\ntwo\n\nthree");
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("one\ntwo\n\nthree\n", Some(0)));
    let output = ringws(&["connect", &server.url, "--json", "-x", "{\"a\":[1]}"]);
    assert_eq!(stdout(&output), "{\n  \"a\": [\n    1\n  ]\n}\n");
}

#[test]
fn an_end_is_told_in_words_and_by_the_exit_code() {
    let server = Serving::new(&[]);
    let output = ringws(&["connect", &server.url, "-x", "/close 4001 enough"]);
    assert_eq!(stdout(&output), "Close 4001 (the application's own)\n");
    assert_eq!(output.status.code(), Some(0), "it was asked for");
    let (port, serving) = once(|mut stream| {
        accept(&mut stream);
        let end = Frame::new(CLOSE, &close(4001, "enough")).unmasked().bytes();
        stream.write_all(&end).expect("a client that reads");
        assert_eq!(read_masked(&mut stream).expect("a frame").0, CLOSE);
    });
    let url = format!("ws://127.0.0.1:{port}/");
    let output = pipe(&["connect", &url], "");
    assert_eq!(stdout(&output), "Close 4001 (the application's own) \"enough\"\n");
    assert_eq!(output.status.code(), Some(1), "it was not asked for");
    serving.join().expect("a client that closes");
    let output = ringws(&["connect", &server.url, "-x", "/close"]);
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("Close 1000 (done)\n", Some(0)));
    let output = ringws(&["connect", &server.url, "-x", "/close 1006"]);
    assert_eq!(output.status.code(), Some(2), "such a code is never sent");
    let (port, serving) = once(|mut stream| {
        let head = accept(&mut stream);
        assert!(head.contains("\r\nX-Mine: 1\r\n"), "{head}");
        assert!(head.contains("\r\nSec-WebSocket-Protocol: chat\r\n"), "{head}");
        assert_eq!(read_masked(&mut stream).expect("a frame"), (TEXT, b"silence".to_vec()));
        assert_eq!(read_masked(&mut stream).expect("a frame"), (CLOSE, close(1000, "")));
        let answer = Frame::new(CLOSE, &close(1000, "")).unmasked().bytes();
        stream.write_all(&answer).expect("a client that reads");
    });
    let url = format!("ws://127.0.0.1:{port}/");
    let asked = ["-H", "X-Mine: 1", "-s", "chat", "--wait", "0.1", "-x", "silence"];
    let output = ringws(&[&["connect", &url], &asked[..]].concat());
    assert_eq!(output.status.code(), Some(1), "no answer");
    serving.join().expect("a client that closes");
    let nobody = ringws(&["connect", &url, "-x", "hello"]);
    let stderr = String::from_utf8_lossy(&nobody.stderr);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(stderr.contains("is the server running"), "{stderr}");
}

/// A certificate of its own, as files.
struct Certificate {
    dir: PathBuf,
}

impl Certificate {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
        let made = made.expect("a certificate");
        let dir = std::env::temp_dir().join(format!("ringws-tls-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("cert"), made.cert.pem()).expect("a file");
        std::fs::write(dir.join("key"), made.signing_key.serialize_pem()).expect("a file");
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().expect("a path").to_owned()
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

#[test]
fn with_tls_as_well() {
    let certificate = Certificate::new();
    let (cert, key) = (certificate.path("cert"), certificate.path("key"));
    let server = Serving::new(&["--tls-cert", &cert, "--tls-key", &key]);
    assert!(server.url.starts_with("wss://"));
    let say = ["-x", "secret", "-v"];
    let trusted = ringws(&[&["connect", &server.url, "--ca", &cert], &say[..]].concat());
    let stderr = String::from_utf8_lossy(&trusted.stderr);
    assert_eq!(
        (stdout(&trusted).as_str(), trusted.status.code()),
        ("secret\n", Some(0)),
        "{stderr}"
    );
    assert!(stderr.contains("*   for 127.0.0.1\n"), "{stderr}");
    assert!(stderr.contains("* TLSv1_3, ") && stderr.contains("* certificate of "), "{stderr}");
    let insecure = ringws(&["connect", &server.url, "--insecure", "-x", "secret"]);
    assert_eq!(stdout(&insecure), "secret\n");
    let strange = ringws(&["connect", &server.url, "-x", "secret"]);
    let stderr = String::from_utf8_lossy(&strange.stderr);
    assert_eq!(strange.status.code(), Some(2));
    assert!(stderr.contains("--ca FILE"), "{stderr}");
    for asked in ["check", "bench"] {
        let strange = ringws(&[asked, &server.url]);
        let stderr = String::from_utf8_lossy(&strange.stderr);
        assert_eq!(strange.status.code(), Some(2));
        assert!(stderr.contains("--ca FILE") && !stderr.contains("ulimit"), "{asked}: {stderr}");
    }
    let only = ["--only", "frames.*", "--only", "close.*", "--timeout", "20"];
    let checked = ringws(&[&["check", &server.url, "--insecure"], &only[..]].concat());
    assert_eq!(checked.status.code(), Some(0), "{}", stdout(&checked));
}

#[test]
fn who_speaks_no_tls_is_told() {
    let server = Serving::new(&[]);
    let url = server.url.replace("ws://", "wss://");
    for asked in ["connect", "check", "bench"] {
        let output = ringws(&[asked, &url]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr.contains("the peer does not speak TLS (is it ws://?)"), "{stderr}");
        assert!(!stderr.contains("--ca") && !stderr.contains("ulimit"), "{asked}: {stderr}");
    }
}
