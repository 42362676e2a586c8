//! `examples/gateway.cpp` between real clients and servers made by hand, under the sanitizers.

mod common;

use common::server::Server;
use common::{Linkage, compilers, here, scratch};
use ringws_kit::{
    BINARY, CLOSE, Client, TEXT, accept, ask, close, field, frame, payload, read_masked, tcp,
};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway, and where what it connects to is to be accepted.
fn start() -> (Server, TcpListener) {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-pthread"];
        let program = scratch("gateway").join("gateway");
        let source = here().join("examples/gateway.cpp");
        compilers()[0].program("c++17", &source, Linkage::Static, &options, &program);
        program
    });
    let behind = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", behind.local_addr().unwrap());
    (Server::start(&PROGRAM, &["0", url.as_str()]), behind)
}

fn next(behind: &TcpListener) -> TcpStream {
    let (stream, _) = behind.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A client of the gateway, and the server that it talks to.
fn joined(server: &Server, behind: &TcpListener) -> (Client, TcpStream) {
    std::thread::scope(|scope| {
        let client = scope.spawn(|| Client::connect(server.port).with_patience(PATIENCE));
        let mut stream = next(behind);
        assert!(accept(&mut stream).starts_with("GET / HTTP/1.1\r\n"));
        (client.join().unwrap(), stream)
    })
}

fn stop(server: Server) {
    server.signal("TERM");
    server.wait(PATIENCE);
}

/// A frame of a server.
fn said(first: u8, payload: &[u8]) -> Vec<u8> {
    ringws_kit::Frame::new(first, payload).unmasked().bytes()
}

#[test]
fn messages_codes_and_reasons_go_both_ways() {
    let (server, behind) = start();
    let (mut client, mut stream) = joined(&server, &behind);
    client.send(TEXT, "there");
    assert_eq!(read_masked(&mut stream).unwrap(), (TEXT, b"there".to_vec()));
    stream.write_all(&said(BINARY, b"and back")).unwrap();
    client.hears(BINARY, "and back");
    stream.write_all(&said(CLOSE, &close(4001, "enough"))).unwrap();
    assert_eq!(client.closed_with(4001), "enough");
    client.send(CLOSE, close(4001, ""));
    client.ends();

    let (mut client, mut stream) = joined(&server, &behind);
    client.send(CLOSE, close(3333, "bored"));
    assert_eq!(read_masked(&mut stream).unwrap(), (CLOSE, close(3333, "bored")));
    drop(stream);

    let (mut client, stream) = joined(&server, &behind);
    drop(stream);
    client.closed_with(1014);
    stop(server);
}

#[test]
fn what_the_server_refuses_is_refused() {
    let (server, behind) = start();
    let status = |answer: &str| {
        let mut client = tcp(server.port);
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| ask(&mut client, "/x", &[]).unwrap());
            let mut stream = next(&behind);
            ringws_kit::read_head(&mut stream).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            drop(stream);
            asked.join().unwrap()
        })
    };
    let head = status("HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno!");
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert_eq!(field(&head, "Content-Length"), Some("3"));
    let head = status("");
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    drop(behind);
    let head = ask(&mut tcp(server.port), "/", &[]).unwrap();
    assert!(head.starts_with("HTTP/1.1 502 "), "{head}");
    stop(server);
}

#[test]
fn a_client_that_goes_before_the_answer_is_given_up_at_the_server() {
    let (server, behind) = start();
    let mut client = tcp(server.port);
    client.write_all(ringws_kit::request("/", &[]).as_bytes()).unwrap();
    let mut stream = next(&behind);
    ringws_kit::read_head(&mut stream).unwrap();
    drop(client);
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    stop(server);
}

/// What the client does not read holds the server back, and nothing is lost of it.
#[test]
fn a_slow_client_makes_the_server_wait() {
    const PIECES: usize = 640;
    const PIECE: usize = 100_000;
    let (server, behind) = start();
    let (mut client, mut stream) = joined(&server, &behind);
    let mut writer = stream.try_clone().unwrap();
    writer.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let all: Vec<u8> = (0..PIECES).flat_map(|i| said(BINARY, &payload(i, PIECE))).collect();
    let mut done = 0;
    while done < all.len() {
        match writer.write(&all[done..]) {
            Ok(written) => done += written,
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
                break;
            }
        }
    }
    assert!(done < all.len() / 2, "{done} bytes on their way to somebody who does not read");
    writer.set_write_timeout(None).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| writer.write_all(&all[done..]).unwrap());
        (0..PIECES).for_each(|i| client.hears(BINARY, payload(i, PIECE)));
    });
    client.write(&frame(CLOSE, close(1000, "")));
    assert_eq!(read_masked(&mut stream).unwrap(), (CLOSE, close(1000, "")));
    drop(stream);
    stop(server);
}
