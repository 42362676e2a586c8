//! `ringws serve`.

use crate::support::{Serving, ringws};
use ringws_kit::{CLOSE, Client, TEXT, close, read_to_end, tcp};
use std::io::Write;

/// The answer to a GET, whole.
fn get(server: &Serving, target: &str) -> String {
    let mut stream = tcp(server.port());
    let host = server.authority();
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a server that reads");
    String::from_utf8(read_to_end(&mut stream)).expect("text")
}

#[test]
fn an_echo_is_drained_at_the_end() {
    let server = Serving::new(&["--reactors", "1"]);
    let mut client = Client::connect(server.port());
    client.echoes(TEXT, "hello");
    let client = std::thread::spawn(move || {
        client.hears(CLOSE, close(1001, ""));
        client.send(CLOSE, close(1001, ""));
        client.ends();
    });
    assert_eq!(server.stop(), "drained: 1 closed, 0 cut off\n");
    client.join().expect("a closing handshake");
}

#[test]
fn rooms_hear_what_is_said_in_them() {
    let server = Serving::new(&["--chat", "--reactors", "2"]);
    let enter = |room| Client::open_with(tcp(server.port()), room, &[]);
    let (mut one, mut other, mut stranger) = (enter("/red"), enter("/red"), enter("/blue"));
    stranger.echoes(TEXT, "anybody?");
    one.echoes(TEXT, "to red");
    other.hears(TEXT, "to red");
    other.echoes(TEXT, "answer");
    one.hears(TEXT, "answer");
    stranger.echoes(TEXT, "nobody");
    let long = ringws_kit::ask(&mut tcp(server.port()), &format!("/{}", "x".repeat(300)), &[]);
    assert!(long.expect("an answer").starts_with("HTTP/1.1 414 "));
}

#[test]
fn files_and_metrics_are_served_beside_the_echo() {
    let dir = std::env::temp_dir().join(format!("ringws-serve-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("index.html"), "<p>hello").expect("a file");
    let server = Serving::new(&["--files", dir.to_str().expect("a path"), "--metrics"]);
    Client::connect(server.port()).echoes(TEXT, "still an echo");
    let index = get(&server, "/");
    assert!(index.starts_with("HTTP/1.1 200 ") && index.ends_with("\r\n\r\n<p>hello"), "{index}");
    assert!(index.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"), "{index}");
    for gone in ["/other", "/../index.html", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd"] {
        let answer = get(&server, gone);
        assert!(answer.starts_with("HTTP/1.1 404 "), "{gone}: {answer}");
    }
    let metrics = get(&server, "/metrics");
    assert!(metrics.contains("\r\nContent-Type: text/plain; version=0.0.4\r\n"), "{metrics}");
    assert!(metrics.contains("# TYPE ringws_"), "{metrics}");
    std::fs::remove_dir_all(dir).expect("it is there");
}

#[test]
fn what_cannot_be_served_is_told_with_what_to_do() {
    let server = Serving::new(&[]);
    let port = server.port().to_string();
    for (arguments, told) in [
        (&["serve", "--port", &port][..], "--port 0 takes a free port"),
        (&["serve", "--port", "0", "--files", "/nowhere"], "/nowhere: No such file"),
        (&["serve", "--port", "0", "--origins", "x y"], "--origins"),
        (&["serve", "--port", "0", "--message-max", "1x"], "a size is a number"),
        (&["serve", "--port", "0", "--tls-cert", "/x", "--tls-key", "/x"], "--tls-cert"),
    ] {
        let output = ringws(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr.contains(told), "{arguments:?}: {stderr}");
    }
}
