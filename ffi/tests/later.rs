//! Later answers from C: `c/later.c`, under the sanitizers.

mod common;

use common::server::Server;
use common::{Linkage, compilers, here, scratch};
use ringws_kit::{Client, TEXT, ask, field, read_head, request, reset, tcp};
use std::io::{Read, Write};
use std::time::Duration;

#[test]
fn another_thread_answers() {
    let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-pthread"];
    let program = scratch("later").join("later");
    let source = here().join("tests/c/later.c");
    compilers()[0].program("c11", &source, Linkage::Static, &options, &program);
    let server = Server::start(&program, &[""; 0]);
    let offers = [("Sec-WebSocket-Protocol", "chat")];
    let mut client = Client::open_with(tcp(server.port), "/", &offers);
    assert_eq!(field(client.head(), "Sec-WebSocket-Protocol"), Some("chat"));
    assert_eq!(field(client.head(), "X-Later"), Some("yes"));
    client.hears(TEXT, "/");
    for (target, status) in [("/no", "401"), ("/forgot", "500"), ("/now", "403")] {
        let head = ask(&mut tcp(server.port), target, &offers).unwrap();
        assert_eq!(&head[9..12], status, "{head}");
    }
    for resets in [true, false] {
        let mut stream = tcp(server.port);
        stream.write_all(request("/gone", &offers).as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        if resets {
            reset(&stream);
        }
    }
    let mut stream = tcp(server.port);
    for target in ["/page", "/next"] {
        let get = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(get.as_bytes()).unwrap();
        let head = read_head(&mut stream).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("X-Later: yes\r\n"), "{head}");
        let mut body = [0; 5];
        stream.read_exact(&mut body).unwrap();
        assert_eq!(body, target.as_bytes());
    }
    client.close();
    assert!(server.wait(Duration::from_secs(20)).success());
}
