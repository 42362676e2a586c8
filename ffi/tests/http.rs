//! HTTP requests from C: `c/http.c`, under the sanitizers.

mod common;

use common::server::Server;
use common::{Linkage, compilers, here, scratch};
use ringws_kit::{Client, field, read_head, read_to_end, request, tcp};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

fn build(source: &str) -> PathBuf {
    let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-pthread"];
    let program = scratch("http").join(source);
    let source = here().join(format!("tests/c/{source}.c"));
    compilers()[0].program("c11", &source, Linkage::Static, &options, &program);
    program
}

/// What is answered to a request: its head and its body.
fn ask(stream: &mut TcpStream, request: &str) -> (String, String) {
    stream.write_all(request.as_bytes()).unwrap();
    let head = read_head(stream).unwrap();
    let len = field(&head, "Content-Length").map_or(0, |len| len.parse().unwrap());
    let mut body = vec![0; len];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[test]
fn requests_are_read_and_answered() {
    let server = Server::start(&build("http"), &[""; 0]);
    let mut stream = tcp(server.port);
    let (head, body) = ask(
        &mut stream,
        "POST /a%20b?a=1+2&b=%41 HTTP/1.1\r\nHost: h\r\nX: 1\r\nx: 2\r\n\
         Content-Length: 4\r\n\r\nbody",
    );
    let lines = "Content-Type: text/plain\r\nX-More: b\r\nContent-Length: 91\r\n\r\n";
    assert_eq!(head, format!("HTTP/1.1 201 Created\r\n{lines}"));
    assert_eq!(
        body,
        "POST /a%20b?a=1+2&b=%41 /a b a=1+2&b=%41 1 2 A 1 1 2 1\n\
         Host=h\nX=1\nx=2\nContent-Length=4\nbody"
    );
    let (head, body) = ask(&mut stream, "GET /absent HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((&*head, &*body), ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ""));
    let (head, _) = ask(&mut stream, "GET /routed HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 201 "), "what a route does not say is its endpoint's");
    let (head, body) = ask(&mut stream, "GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(field(&head, "Content-Type"), Some("text/plain; version=0.0.4"), "{head}");
    assert!(body.starts_with("# HELP ringws_connections ") && body.ends_with('\n'), "{body}");
    assert!(body.contains("\nringws_connections{reactor=\"0\"} 1\n"), "{body}");
    Client::open_with(stream, "/a%20b?token=x+y", &[]).close();
    let (head, body) = ask(&mut tcp(server.port), &request("/here/a/b", &[]));
    let see = "HTTP/1.1 303 See Other\r\nConnection: close\r\nLocation: /there/x\r\n";
    assert!(head.starts_with(see) && body == "there", "{head}{body}");
    let origin = [("Origin", "https://elsewhere.example")];
    Client::open_with(tcp(server.port), "/there/x", &origin).close();
    let large = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n";
    let mut stream = tcp(server.port);
    assert!(ask(&mut stream, large).0.starts_with("HTTP/1.1 413 Content Too Large\r\n"));
    assert_eq!(read_to_end(&mut stream), b"");
    drop(stream);
    let mut stream = tcp(server.port);
    let (head, _) = ask(&mut stream, "GET /stop HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 201 Created\r\nConnection: close\r\n"), "{head}");
    assert!(server.wait(Duration::from_secs(20)).success());
}
