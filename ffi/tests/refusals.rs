//! Servers and gateways as they are, at the other end of a client in C.

mod common;

use common::{Linkage, compilers, here, scratch, stdout_of};
use ringws_kit::{CLOSE, Frame, PATIENCE, Socket, answer, field, read_head, read_masked};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined"];
        let program = scratch("refusals").join("refusal");
        let source = here().join("tests/c/refusal.c");
        compilers()[0].program("c11", &source, Linkage::Static, &options, &program);
        program
    })
}

fn says(url: &str, host: &str, cancel_ms: &str) -> String {
    let mut command = Command::new("timeout");
    stdout_of(command.arg("30").arg(program()).args([url, host, cancel_ms]))
}

/// A server on `listener` that reads one request, hands it to `then`, and returns what that does.
fn serve<T: Send + 'static>(
    listener: TcpListener,
    then: impl FnOnce(&mut TcpStream, String) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.set_patience(PATIENCE);
        let head = read_head(&mut stream).unwrap();
        then(&mut stream, head)
    })
}

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    (listener, at)
}

/// A 101 with these fields more; then the Close frame that comes, answered in kind.
fn accept(stream: &mut TcpStream, head: &str, more: &[(&str, &str)]) {
    let answer = answer(field(head, "Sec-WebSocket-Key").unwrap(), more);
    stream.write_all(answer.as_bytes()).unwrap();
    assert_eq!(read_masked(stream).unwrap(), (CLOSE, Vec::new()), "an empty Close, masked");
    stream.write_all(&Frame::new(CLOSE, "").unmasked().bytes()).unwrap();
}

#[test]
fn a_refusal_in_chunks_comes_whole_and_at_once() {
    for version in ["1.0", "1.1"] {
        let (listening, at) = listener();
        let server = serve(listening, move |stream, _| {
            let answer = format!(
                "HTTP/{version} 302 Found\r\nLocation: wss://elsewhere/\r\nRetry-After: 7\r\n\
                 Transfer-Encoding: chunked\r\n\r\n4;x=y\r\nover\r\n7\r\n there!\r\n0\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).unwrap();
            // It stays open until the client ends.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let start = Instant::now();
        let expected = format!(
            "refused -13 302 body=over there! location=wss://elsewhere/ retry-after=7 \
             {at}: answered with status 302\n"
        );
        assert_eq!(says(&format!("ws://{at}/"), "", "-1"), expected);
        assert!(start.elapsed() < Duration::from_secs(8), "not after the handshake timeout");
        server.join().unwrap();
    }
}

/// RFC 9112 §6.3: it ends with its head. And what is closed without a status says none.
#[test]
fn a_101_with_a_transfer_encoding_opens() {
    for more in [("Transfer-Encoding", "chunked"), ("Content-Length", "5"), ("Upgrade", ",")] {
        let (listening, at) = listener();
        let server = serve(listening, move |stream, head| accept(stream, &head, &[more]));
        assert_eq!(says(&format!("ws://{at}/"), "", "-1"), "open\nclosed 1005 1005\n", "{more:?}");
        server.join().unwrap();
    }
}

#[test]
fn a_host_of_ones_own_and_a_target_as_browsers_send_it_are_sent() {
    let (listening, at) = listener();
    let server = serve(listening, |stream, head| {
        accept(stream, &head, &[]);
        head
    });
    let said = says(&format!("ws://{at}/a b|c?{{\"d\"}}|e"), "Edge.example:8443", "-1");
    assert_eq!(said, "open\nclosed 1005 1005\n");
    let head = server.join().unwrap();
    assert!(head.starts_with("GET /a%20b|c?{%22d%22}|e HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nHost: edge.example:8443\r\n"), "{head}");
    assert_eq!(head.matches("Host:").count(), 1);
}

#[test]
fn what_is_given_up_is_refused_once() {
    let (listening, at) = listener();
    let server = serve(listening, |stream, _| stream.read_to_end(&mut Vec::new()).unwrap());
    let start = Instant::now();
    let said = says(&format!("ws://{at}/"), "", "50");
    assert_eq!(said, format!("refused -6 0 body= location= retry-after= {at}: cancelled\n"));
    assert!(start.elapsed() < Duration::from_secs(8));
    assert_eq!(server.join().unwrap(), 0, "the socket was closed");
}

/// The zone says which link, and is for nobody else (RFC 6874 §4). A link-local address of this
/// machine, if it has one.
#[test]
fn an_address_with_a_zone_is_reached_on_its_link() {
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let local = table.lines().find(|line| line.starts_with("fe80"));
    let (ip, zone) = match local.map(|line| line.split_whitespace().collect::<Vec<_>>()) {
        Some(fields) => {
            let groups: Vec<_> = (0..8).map(|i| &fields[0][4 * i..][..4]).collect();
            (groups.join(":"), fields[5].to_owned())
        }
        // The loopback address is the same on every link.
        None => ("::1".to_owned(), "1".to_owned()),
    };
    if let Ok(listening) = TcpListener::bind("[::]:0") {
        let port = listening.local_addr().unwrap().port();
        let server = serve(listening, |stream, head| {
            accept(stream, &head, &[]);
            head
        });
        let said = says(&format!("ws://[{ip}%25{zone}]:{port}/"), "", "-1");
        assert_eq!(said, "open\nclosed 1005 1005\n");
        let head = server.join().unwrap();
        let ip: std::net::Ipv6Addr = ip.parse().unwrap();
        assert!(head.contains(&format!("\r\nHost: [{ip}]:{port}\r\n")), "{head}");
    }
    let said = says("ws://[fe80::1%25no-such-link]:9/", "", "-1");
    assert!(said.starts_with("refused -4 0 ") && said.contains("name not found"), "{said}");
    assert_eq!(says("ws://[fe80::1%25]:9/", "", "-1"), "URL: not a host\n");
}
