//! The samples' service where the samples put it: on a socket of systemd under the unit's filter,
//! behind HAProxy and nginx with the configurations of the guide.

use super::common::server::Server;
use super::common::{Linkage, compilers, here, scratch};
use super::read;
use ringws_kit::{Client, TEXT, ask, field, free_port, read_head, tcp, until};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

pub(super) static SERVICE: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = scratch("docs").join("service");
    let source = here().join("docs/samples/service.c");
    compilers()[0].program("c11", &source, Linkage::Shared, &["-D_GNU_SOURCE"], &program);
    program
});

/// Whether a program is there. Where all have to be, it has to be.
pub(super) fn has(program: &str, question: &str) -> bool {
    let found = Command::new(program).arg(question).output().is_ok();
    let all = std::env::var_os("RINGWS_ALL_COMPILERS").is_some();
    assert!(found || !all, "{program} is not installed: ffi/docs/build does it");
    found
}

/// What it logs is not asked for.
pub(super) fn quiet(program: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$@\" 2>/dev/null", "sh"]).args(program);
    command.env("LEAVE_MS", "0").env("DRAIN_MS", "1").env("GREET", "1");
    command
}

/// What is answered to a GET, which has to be 200.
pub(super) fn get(port: u16, target: &str) -> String {
    let mut stream = tcp(port);
    write!(stream, "GET {target} HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let head = read_head(&mut stream).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let len = field(&head, "Content-Length").unwrap().parse().unwrap();
    let mut body = vec![0; len];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

#[test]
fn on_a_socket_of_systemd_under_the_filter_of_the_unit() {
    if !cfg!(target_arch = "x86_64") || !has("systemd-socket-activate", "--version") {
        return;
    }
    let under = here().join("docs/check/under.py");
    let unit = here().join("docs/samples/ringws-echo.service");
    let port = free_port();
    let at = format!("--listen=127.0.0.1:{port}");
    // It starts the program when somebody comes, whose first line is then its own.
    let environment = ["--setenv=GREET", "--setenv=LEAVE_MS", "--setenv=DRAIN_MS", "python3"];
    let activate = [&["systemd-socket-activate", &at, "--fdname=ws"][..], &environment].concat();
    let it = [under.to_str().unwrap(), unit.to_str().unwrap(), SERVICE.to_str().unwrap()];
    let mut command = quiet(&[&activate[..], &it].concat());
    let waker = std::thread::spawn(move || {
        let mut found = None;
        until("the socket", || {
            found = TcpStream::connect(("127.0.0.1", port)).ok();
            found.is_some()
        });
        found
    });
    let server = Server::spawn(&mut command);
    assert_eq!(server.port, port);
    drop(waker.join().unwrap());
    assert_eq!(get(port, "/readyz"), "");
    let mut client = Client::connect(port);
    assert!(client.receive().1.starts_with(b"127.0.0.1:"));
    client.echoes(TEXT, "by systemd");
    server.signal("TERM");
    client.closed_with(1012);
    drop(client);
    assert!(server.wait(Duration::from_secs(20)).success());
}

/// Killed when dropped.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A sample with other ports and without TLS, and whatever else is not of this machine.
fn rewritten(sample: &str, changes: &[(&str, &str)]) -> PathBuf {
    let mut text = read(&here().join("docs/samples").join(sample));
    for (from, to) in changes {
        assert!(text.contains(from), "{sample}: {from}");
        text = text.replace(from, to);
    }
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("ssl_"));
    let place = scratch("docs").join(sample);
    fs::write(&place, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    place
}

/// The proxy is started, and whoever comes through it is known by his own address, or by `known`.
fn through(port: u16, mut proxy: Command, known: Option<&str>, path: &str) {
    proxy.stdout(Stdio::null()).stderr(Stdio::null());
    let _proxy = Proxy(proxy.spawn().unwrap());
    let mut stream = None;
    // A page of the same host: the proxy has to leave Host as it is.
    let host = [("Origin", "http://localhost")];
    until("the proxy", || {
        let Ok(mut found) = TcpStream::connect(("127.0.0.1", port)) else { return false };
        let answer = ask(&mut found, path, &host).unwrap_or_default();
        stream = Some(found);
        answer.starts_with("HTTP/1.1 101 ")
    });
    let me = stream.as_ref().unwrap().local_addr().unwrap().to_string();
    let (first, payload) = ringws_kit::read_frame(stream.as_mut().unwrap()).unwrap();
    assert_eq!(first, TEXT);
    let told = String::from_utf8(payload).unwrap();
    assert!(told.starts_with(known.unwrap_or(&me)), "{told}, and not {me}");
}

fn service(port: u16, proxies: Option<&str>) -> Server {
    let port = port.to_string();
    let mut command = quiet(&[SERVICE.to_str().unwrap(), &port]);
    if let Some(proxies) = proxies {
        command.env("PROXY_FROM", proxies);
    }
    Server::spawn(&mut command)
}

#[test]
fn behind_haproxy() {
    if !has("haproxy", "-v") {
        return;
    }
    let server = service(0, Some("127.0.0.1"));
    let (port, behind) = (free_port(), format!("127.0.0.1:{}", server.port));
    let bind = format!("bind 127.0.0.1:{port}");
    let changes = [
        ("bind :443 ssl crt /etc/ssl/ws/haproxy.pem alpn http/1.1", bind.as_str()),
        ("127.0.0.1:9001", &behind),
        ("maxconn 200000", "maxconn 100"),
        ("inter 2s", "inter 50ms"),
    ];
    let config = rewritten("haproxy.cfg", &changes);
    let mut proxy = Command::new("haproxy");
    proxy.arg("-f").arg(config);
    through(port, proxy, None, "/");
}

fn nginx(config: &PathBuf, place: &str) -> Command {
    let place = scratch("docs").join(place);
    let globals = format!("daemon off; master_process off; pid {}.pid;", place.display());
    let mut command = Command::new("nginx");
    command.args(["-e", "/dev/null", "-g", &globals, "-c"]).arg(config);
    command
}

#[test]
fn behind_nginx() {
    // Debian has what it needs in a package of its own: libnginx-mod-stream.
    if !has("nginx", "-v") || !Path::new("/usr/lib/nginx/modules/ngx_stream_module.so").exists() {
        return;
    }
    let server = service(0, Some("127.0.0.1"));
    let (port, behind) = (free_port(), format!("127.0.0.1:{}", server.port));
    let listen = format!("listen 127.0.0.1:{port};");
    let config = rewritten(
        "nginx-stream.conf",
        &[
            ("listen 443 ssl so_keepalive=on;", listen.as_str()),
            ("127.0.0.1:9001", &behind),
            ("modules/", "/usr/lib/nginx/modules/"),
            ("65536", "100"),
        ],
    );
    through(port, nginx(&config, "stream"), None, "/");
}

#[test]
fn behind_nginx_as_an_http_proxy() {
    if !has("nginx", "-v") {
        return;
    }
    let server = service(0, None);
    let (port, behind) = (free_port(), format!("127.0.0.1:{}", server.port));
    let listen = format!("listen 127.0.0.1:{port};");
    let changes =
        [("listen 443 ssl;", listen.as_str()), ("127.0.0.1:9001", &behind), ("65536", "100")];
    let config = rewritten("nginx-http.conf", &changes);
    // Its own address is all that it tells.
    through(port, nginx(&config, "http"), Some("127.0.0.1:"), "/ws/");
}
