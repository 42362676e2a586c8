//! Brokers that say what a real one does not say when it is asked to.

use super::broker::Directory;
use super::site::{Site, options};
use ringws_engine::nats::Options;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Of the documentation of nats.io, "NKeys".
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

/// Waits for connections, each of which is handed to `talk`.
fn broker(talk: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || listener.incoming().flatten().for_each(talk));
    address
}

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    line
}

#[test]
fn what_is_no_broker_is_told() {
    for (says, told) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "is not NATS"),
        ("INFO nonsense\r\n", "not JSON"),
        ("", "closed the connection"),
        ("-ERR 'maximum connections exceeded'\r\n", "maximum connections exceeded"),
    ] {
        let address = broker(move |mut stream| stream.write_all(says.as_bytes()).unwrap());
        let site = Site::start(options(&address));
        site.wait_logged(told);
        assert!(!site.is_up());
    }
}

/// Whoever can write into the connection before TLS begins must not be heard.
#[test]
fn what_comes_before_tls_is_not_taken_for_what_comes_by_it() {
    let address = broker(|mut stream| {
        stream.write_all(b"INFO {\"tls_required\":true}\r\nPING\r\n").unwrap();
        thread::sleep(Duration::from_secs(5));
    });
    Site::start(options(&address)).wait_logged("more than its greeting before TLS");
}

#[test]
fn one_that_never_greets_is_given_up() {
    let address = broker(|stream| {
        thread::sleep(Duration::from_secs(5));
        drop(stream);
    });
    let site = Site::start(Options { connect_timeout_ms: 300, ..options(&address) });
    site.wait_logged("not let in within 300 ms");
}

/// A token of the account, and the signature of the nonce by the key of the file, which is read for
/// each connection.
#[test]
fn credentials_are_of_the_file() {
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let address = broker(move |stream| {
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(b"INFO {\"nonce\":\"abc\"}\r\n").unwrap();
        tell.lock().unwrap().send(line(&mut stream)).unwrap();
    });
    let text = |jwt: &str| {
        format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        )
    };
    let directory = Directory::new();
    let path = directory.file("creds", &text("first"));
    let site = Site::start(Options { credentials: Some(path), ..options(&address) });
    let connect = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(connect.contains("\"jwt\":\"first\"") && connect.contains("\"sig\":\""), "{connect}");
    assert!(connect.starts_with("CONNECT {") && !connect.contains("nkey"), "{connect}");
    directory.file("creds", &text("second"));
    let has_second = |connect: String| connect.contains("\"jwt\":\"second\"");
    assert!(told.iter().take(50).any(has_second), "read again");
    assert!(!site.is_up());
}
