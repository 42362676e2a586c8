//! Connections that the engine makes over TLS.

use super::certs::{Authority, Certified};
use super::running::reactors;
use super::service::{PATIENCE, Service, settings};
use ringws_engine::conn::SendFlags;
use ringws_engine::engine::Engine;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{Closed, Conn, Context, Handler, Message, NotConnected, Target};
use ringws_engine::tls::{Client, ClientCertificate, ClientSettings, Pem, ServerSettings};
use ringws_kit::{once, read_head, tcp};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Message(usize),
    Closed(u16),
    Refused(String),
}

/// Sends a large message when it opens, and closes when that has come back.
struct Tells(Sender<Heard>);

const LARGE: usize = 300_000;

impl Handler for Tells {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        ctx.send(conn, Opcode::Binary, &[7; LARGE], SendFlags::default()).unwrap();
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        self.0.send(Heard::Message(message.payload.len())).unwrap();
        ctx.close(conn, CloseCode::NORMAL, "").unwrap();
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        self.0.send(Heard::Closed(closed.info.code.0)).unwrap();
    }
    fn on_refused(&self, _: &mut Context, why: &mut NotConnected<'_>) {
        self.0.send(Heard::Refused(why.error.to_string())).unwrap();
    }
}

fn trusting(authority: &Authority) -> ClientSettings {
    ClientSettings { roots: Some(authority.roots()), ..ClientSettings::default() }
}

fn target(url: &str, settings: &ClientSettings) -> (Target, Receiver<Heard>) {
    let (tell, told) = channel();
    let mut target = Target::new(url, Arc::new(Tells(tell))).unwrap();
    target.tls = Some(Client::new(settings).unwrap());
    (target, told)
}

fn started() -> Engine {
    let engine = Engine::new(reactors(1)).unwrap();
    engine.start().unwrap();
    engine
}

fn next(told: &Receiver<Heard>) -> Heard {
    told.recv_timeout(PATIENCE).expect("something is heard")
}

fn echoes(told: &Receiver<Heard>) {
    assert_eq!(next(told), Heard::Message(LARGE));
    assert_eq!(next(told), Heard::Closed(1000));
}

/// The reason why there is no connection.
fn refused(engine: &Engine, url: &str, settings: &ClientSettings) -> String {
    let (target, told) = target(url, settings);
    engine.connect(target).unwrap();
    match next(&told) {
        Heard::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

/// Passes on what it is asked for, once.
fn proxy() -> (String, thread::JoinHandle<String>) {
    let (at, running) = once(|mut client| {
        let head = read_head(&mut client).unwrap();
        let port: u16 = head.split([':', ' ']).find_map(|word| word.parse().ok()).unwrap();
        let server = tcp(port);
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let there = thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let _ = io::copy(&mut &server, &mut client);
        let _ = client.shutdown(Shutdown::Write);
        there.join().unwrap();
        head
    });
    (format!("http://127.0.0.1:{at}"), running)
}

#[test]
fn a_second_connection_resumes_the_session() {
    let (service, authority) = Service::simple();
    let engine = started();
    let url = format!("wss://localhost:{}/chat", service.port);
    let (target, told) = target(&url, &trusting(&authority));
    for _ in 0..3 {
        engine.connect(target.clone()).unwrap();
        echoes(&told);
    }
    service.until("closed", |stats| stats.connections == 0);
    assert_eq!((service.stats().tls_handshakes, service.stats().tls_resumed), (3, 2));
    let stats = engine.stats(None).unwrap();
    assert_eq!((stats.tls_handshakes, stats.tls_resumed, stats.tls_failed), (3, 2, 0));
    let names = service.seen(|seen| seen.upgrades.clone());
    assert!(names.iter().all(|seen| seen.0.as_deref() == Some("localhost")), "{names:?}");
    assert_eq!(service.seen(|seen| seen.closes.clone()), [(1000, Some(1000)); 3]);
}

#[test]
fn a_proxy_carries_the_handshake() {
    let (service, authority) = Service::simple();
    let engine = started();
    let (proxy, running) = proxy();
    let url = format!("wss://localhost:{}/", service.port);
    let (mut target, told) = target(&url, &trusting(&authority));
    target.through(&proxy).unwrap();
    engine.connect(target).unwrap();
    echoes(&told);
    assert!(running.join().unwrap().starts_with("CONNECT localhost:"));
}

#[test]
fn why_a_server_is_not_trusted_is_said() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let engine = started();
    let serve = |certified: &Certified| Service::new(&settings(&[certified]));
    let good = authority.issue(&["localhost"]);
    let service = serve(&good);
    let url = format!("wss://localhost:{}/", service.port);
    let why = refused(&engine, &url, &trusting(&stranger));
    assert!(why.starts_with("TLS: ") && why.contains("UnknownIssuer"), "{why}");
    let why = refused(&engine, &url.replace("localhost", "127.0.0.1"), &trusting(&authority));
    assert!(why.contains("not valid for name \"127.0.0.1\""), "{why}");
    let pinned = ClientSettings { verify: Some(Arc::new(|_| false)), ..trusting(&authority) };
    let why = refused(&engine, &url, &pinned);
    assert!(why.contains("ApplicationVerificationFailure"), "{why}");
    let expired = serve(&authority.expired(&["localhost"]));
    let url = format!("wss://localhost:{}/", expired.port);
    let why = refused(&engine, &url, &trusting(&authority));
    assert!(why.contains("expired"), "{why}");
    // The system's roots, if it has any, do not know this server either.
    if Client::system().is_ok() {
        let (tell, told) = channel();
        engine.connect(Target::new(&url, Arc::new(Tells(tell))).unwrap()).unwrap();
        assert!(matches!(next(&told), Heard::Refused(why) if why.starts_with("TLS: ")));
    }
    let failed = engine.stats(None).unwrap().connect_failed;
    assert!(failed >= 4, "{failed}");
    service.until("closed", |stats| stats.connections == 0 && stats.tls_failed == 3);
}

#[test]
fn a_certificate_that_is_asked_for_is_shown() {
    let authority = Authority::new("test");
    let server = authority.issue(&["localhost"]);
    let service = Service::new(&ServerSettings {
        client_certificate: ClientCertificate::Required,
        roots: Some(authority.roots()),
        ..settings(&[&server])
    });
    let engine = started();
    let url = format!("wss://localhost:{}/", service.port);
    let own = authority.issue(&["client"]);
    let settings = ClientSettings { identity: Some(own.identity()), ..trusting(&authority) };
    let (target, told) = target(&url, &settings);
    engine.connect(target).unwrap();
    echoes(&told);
    let shown = service.seen(|seen| seen.upgrades[0].1.clone());
    assert_eq!(shown.as_deref(), Some(&own.der()[..]));
    let why = refused(&engine, &url, &trusting(&authority));
    assert!(why.contains("CertificateRequired"), "{why}");
}

#[test]
fn a_server_that_says_nothing_or_something_else_is_refused() {
    let engine = started();
    let authority = Authority::new("test");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://127.0.0.1:{}/", silent.local_addr().unwrap().port());
    let (mut slow, told) = target(&url, &trusting(&authority));
    slow.connect_timeout_ms = 300;
    let start = Instant::now();
    engine.connect(slow).unwrap();
    assert_eq!(next(&told), Heard::Refused("timed out".into()));
    assert!(start.elapsed() < Duration::from_secs(5));

    let other = thread::spawn(move || {
        let (mut stream, _) = silent.accept().unwrap();
        drop(stream);
        stream = silent.accept().unwrap().0;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Until the client has gone.
        while stream.read(&mut [0; 512]).is_ok_and(|n| n > 0) {}
    });
    let why = refused(&engine, &url, &trusting(&authority));
    assert!(why.starts_with("TLS: "), "{why}");
    other.join().unwrap();
}

/// As `openssl req -x509` makes it: self-signed, a CA, without an alternative name.
fn self_signed() -> Certified {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().unwrap();
    let chain = params.self_signed(&key).unwrap().pem();
    Certified { chain, key: key.serialize_pem() }
}

fn pinning(certified: &Certified) -> ClientSettings {
    let pinned = Pem::Bytes(certified.chain.clone().into_bytes());
    ClientSettings { pinned: Some(pinned), ..ClientSettings::default() }
}

#[test]
fn a_pinned_certificate_is_all_that_is_trusted() {
    let (own, other) = (self_signed(), self_signed());
    let service = Service::new(&settings(&[&own]));
    let engine = started();
    let url = format!("wss://localhost:{}/", service.port);
    let roots = Some(Pem::Bytes(own.chain.clone().into_bytes()));
    let why =
        refused(&engine, &url, &ClientSettings { roots: roots.clone(), ..Default::default() });
    assert!(why.contains("CaUsedAsEndEntity"), "{why}");
    for url in [&url, &url.replace("localhost", "127.0.0.1")] {
        for only_1_3 in [false, true] {
            let settings = ClientSettings { only_1_3, ..pinning(&own) };
            let (target, told) = target(url, &settings);
            engine.connect(target).unwrap();
            echoes(&told);
        }
    }
    let why = refused(&engine, &url, &pinning(&other));
    assert!(why.contains("not the certificate that is pinned"), "{why}");
    let verify: Option<ringws_engine::tls::Verify> = Some(Arc::new(|_| false));
    let why = refused(&engine, &url, &ClientSettings { verify, ..pinning(&own) });
    assert!(why.contains("ApplicationVerificationFailure"), "{why}");
    assert!(Client::new(&ClientSettings { roots, ..pinning(&own) }).is_err(), "one of both");
}

/// Everybody can show a certificate; only its owner can sign.
#[test]
fn who_shows_the_pinned_certificate_must_have_its_key() {
    let (own, other) = (self_signed(), self_signed());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = provider.key_provider.load_private_key(other.key_der()).unwrap();
    let shown = rustls::sign::CertifiedKey::new(vec![own.der()], key);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(shown.clone()));
        let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        let mut conn = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let (port, server) =
            once(
                move |mut stream| {
                    while conn.is_handshaking() && conn.complete_io(&mut stream).is_ok() {}
                },
            );
        let why = refused(&started(), &format!("wss://127.0.0.1:{port}/"), &pinning(&own));
        assert!(why.contains("BadSignature"), "{why}");
        server.join().unwrap();
    }
}

/// A server that is reached by its address, and by a name that is not its certificate's.
#[test]
fn the_name_can_be_another_than_the_urls() {
    let authority = Authority::new("test");
    let service = Service::new(&settings(&[&authority.issue(&["edge.example"])]));
    let engine = started();
    let url = format!("wss://127.0.0.1:{}/", service.port);
    let names = [(Some("edge.example"), None), (Some("o.example:8443"), Some("edge.example"))];
    for (host, tls_name) in names.into_iter().chain([(None, Some("edge.example"))]) {
        let (mut target, told) = target(&url, &trusting(&authority));
        if let Some(host) = host {
            target.set_host(host).unwrap();
        }
        if let Some(name) = tls_name {
            target.set_tls_name(name).unwrap();
        }
        engine.connect(target).unwrap();
        echoes(&told);
    }
    let why = refused(&engine, &url, &trusting(&authority));
    assert!(why.contains("not valid for name"), "{why}");
}
