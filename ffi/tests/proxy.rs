//! Proxies in front, from C: `c/proxy.c`, under the sanitizers.

mod common;

use common::server::Server;
use common::{Linkage, compilers, here, scratch};
use ringws_kit::{Client, TEXT, field, read_to_end, tcp};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

/// Asks behind these bytes; what the server has told of us, and its other ports.
fn open(port: u16, header: &[u8], target: &str) -> (Client<TcpStream>, String, Vec<u16>) {
    let mut stream = tcp(port);
    stream.write_all(header).unwrap();
    let client = Client::open_with(stream, target, &[]);
    let told = field(client.head(), "X-Told").unwrap().to_owned();
    let ports = field(client.head(), "X-Ports").unwrap().split(' ');
    let ports = ports.map(|port| port.parse().unwrap()).collect();
    (client, told, ports)
}

#[test]
fn a_proxy_tells_whose_connection_it_is() {
    let options = ["-D_GNU_SOURCE", "-g", "-fsanitize=address,undefined", "-pthread"];
    let program = scratch("proxy").join("proxy");
    let source = here().join("tests/c/proxy.c");
    compilers()[0].program("c11", &source, Linkage::Static, &options, &program);
    let server = Server::start(&program, &[""; 0]);
    let line = b"PROXY TCP6 2001:db8::7 ::1 40000 443\r\n";
    let (mut client, told, ports) = open(server.port, line, "/");
    assert_eq!(told, "[2001:db8::7]:40000 by 127.0.0.1 id= cn= empty=0");
    client.send(TEXT, "who?");
    client.hears(TEXT, "[2001:db8::7]:40000");
    // Version 2: UNIQUE_ID, SSL with CN inside, and an empty one.
    let addresses = [192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 0x01, 0xbb];
    let tlvs =
        [&b"\x05\0\x04name"[..], b"\x20\0\x0b\x07\0\0\0\0\x22\0\x03you", b"\xe0\0\0"].concat();
    let length = [0, (addresses.len() + tlvs.len()) as u8];
    let header = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11", &length[..], &addresses, &tlvs].concat();
    let (mut client, told, _) = open(server.port, &header, "/");
    assert_eq!(told, "192.0.2.7:40000 by 127.0.0.1 id=name cn=you empty=1");
    client.send(TEXT, "who?");
    client.hears(TEXT, "192.0.2.7:40000");
    // Others are served as they are, or not at all.
    let (direct, strangers) = (ports[0], ports[1]);
    let (_client, told, _) = open(direct, b"", "/");
    assert!(told.starts_with("127.0.0.1:") && told.ends_with(", no proxy"), "{told}");
    assert_eq!(read_to_end(&mut tcp(strangers)), b"");
    let mut bare = tcp(server.port);
    bare.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(read_to_end(&mut bare), b"", "no header");
    let (mut client, ..) = open(server.port, b"PROXY UNKNOWN\r\n", "/stop");
    assert_eq!(client.closed_with(1001), "");
    assert!(server.wait(Duration::from_secs(20)).success());
}
