//! Who is let in, and what is shown to whom.

use super::certs::{Authority, Certified};
use super::peer::Dial;
use super::service::{Service, settings};
use ringws_engine::tls::{ClientCertificate, ServerSettings};
use ringws_kit::{BINARY, TEXT, request, tcp};
use rustls::version::{TLS12, TLS13};
use std::io::{Read, Write};

/// FIELD §5.2: a server that asks for certificates must not let anyone in without.
#[test]
fn a_required_certificate_is_required() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let server = authority.issue(&["localhost"]);
    let service = Service::new(&ServerSettings {
        client_certificate: ClientCertificate::Required,
        roots: Some(authority.roots()),
        ..settings(&[&server])
    });
    let good = authority.issue(&["client"]);
    let bad = [None, Some(stranger.issue(&["client"])), Some(authority.expired(&["client"]))];
    for version in [&TLS12, &TLS13] {
        let versions = &[version][..];
        for bad in &bad {
            let certificate = bad.as_ref();
            let dial = Dial { certificate, versions, ..Dial::new(&authority) };
            let refused = dial.open(service.port).expect_err("refused");
            assert!(refused.to_string().contains("alert"), "{refused}");
        }
        let dial = Dial { certificate: Some(&good), versions, ..Dial::new(&authority) };
        let mut peer = dial.open(service.port).unwrap();
        peer.echoes(TEXT, "with a certificate");
        peer.close();
    }
    let shown = Some(good.der().to_vec());
    assert!(service.seen(|seen| seen.upgrades.iter().all(|upgrade| upgrade.1 == shown)));
    service.until("counted", |stats| stats.connections == 0 && stats.tls_failed == 6);
    assert_eq!(service.stats().tls_handshakes, 2);
}

#[test]
fn an_optional_certificate_is_optional_but_checked() {
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let server = authority.issue(&["localhost"]);
    let service = Service::new(&ServerSettings {
        client_certificate: ClientCertificate::Optional,
        roots: Some(authority.roots()),
        ..settings(&[&server])
    });
    Dial::new(&authority).open(service.port).unwrap().close();
    let wrong = stranger.issue(&["client"]);
    let dial = Dial { certificate: Some(&wrong), ..Dial::new(&authority) };
    assert!(dial.open(service.port).is_err());
    assert_eq!(service.seen(|seen| seen.upgrades.clone()), [(Some("localhost".into()), None)]);
}

/// The certificate that a server shows for a name.
fn shown(authority: &Authority, name: &str, port: u16) -> Certified {
    let dial = Dial { name, ..Dial::new(authority) };
    let mut peer = dial.open(port).unwrap();
    let der = peer.stream.conn.peer_certificates().unwrap()[0].clone();
    peer.close();
    Certified { chain: String::new(), key: format!("{der:?}") }
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    let authority = Authority::new("test");
    // The first has the wildcard's names too, so that a client can verify what it is shown.
    let first = authority.issue(&["first.example", "deep.down.example.com", "127.0.0.1"]);
    let second = authority.issue(&["second.example", "WWW.Example.com"]);
    let wild = authority.issue(&["*.example.com"]);
    let service = Service::new(&settings(&[&first, &second, &wild]));
    let cases = [
        ("first.example", &first),
        ("second.example", &second),
        ("www.example.com", &second),
        ("other.example.com", &wild),
        ("deep.down.example.com", &first),
        ("127.0.0.1", &first),
    ];
    for (name, expected) in cases {
        let got = shown(&authority, name, service.port);
        assert_eq!(got.key, format!("{:?}", expected.der()), "{name}");
    }
    let names = service.seen(|seen| seen.upgrades.clone().into_iter().map(|seen| seen.0));
    let names: Vec<_> = names.collect();
    let asked = cases.map(|(name, _)| (name != "127.0.0.1").then(|| name.to_owned()));
    assert_eq!(names, asked, "an address is no name");
}

#[test]
fn reloading_under_traffic_drops_nothing() {
    let authority = Authority::new("test");
    let (old, new) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let service = Service::new(&settings(&[&old]));
    let dial = Dial::new(&authority);
    let mut open: Vec<_> = (0..4).map(|_| dial.open(service.port).unwrap()).collect();
    for round in 0..20 {
        if round == 10 {
            service.server.reload(&settings(&[&new])).unwrap();
        }
        open.iter_mut().for_each(|peer| peer.echoes(BINARY, [round; 3_000]));
        let expected = if round < 10 { &old } else { &new };
        let got = shown(&authority, "localhost", service.port);
        assert_eq!(got.key, format!("{:?}", expected.der()), "round {round}");
    }
    // What cannot be used changes nothing.
    assert!(service.server.reload(&ServerSettings::default()).is_err());
    let got = shown(&authority, "localhost", service.port);
    assert_eq!(got.key, format!("{:?}", new.der()));
    open.iter_mut().for_each(|peer| peer.close());
    assert_eq!(service.stats().tls_failed, 0);
}

#[test]
fn sessions_are_resumed_until_the_settings_change() {
    let authority = Authority::new("test");
    let certified = authority.issue(&["localhost"]);
    for version in [&TLS12, &TLS13] {
        let service = Service::new(&settings(&[&certified]));
        let dial = Dial { versions: &[version], ..Dial::new(&authority) };
        let config = dial.config();
        let again = || {
            let mut peer = dial.open_with(config.clone(), service.port).unwrap();
            peer.echoes(TEXT, "hello");
            let kind = peer.stream.conn.handshake_kind().unwrap();
            peer.close();
            kind
        };
        assert_eq!(again(), rustls::HandshakeKind::Full);
        assert_eq!(again(), rustls::HandshakeKind::Resumed);
        assert_eq!(again(), rustls::HandshakeKind::Resumed);
        assert_eq!(service.stats().tls_resumed, 2);
        let names = service.seen(|seen| seen.upgrades.clone());
        assert!(names.iter().all(|seen| seen.0.as_deref() == Some("localhost")), "{names:?}");
        service.server.reload(&settings(&[&certified])).unwrap();
        assert_eq!(again(), rustls::HandshakeKind::Full);
    }
}

#[test]
fn only_1_3_refuses_1_2() {
    let authority = Authority::new("test");
    let certified = authority.issue(&["localhost"]);
    let service = Service::new(&ServerSettings { only_1_3: true, ..settings(&[&certified]) });
    let dial = Dial { versions: &[&TLS12], ..Dial::new(&authority) };
    let refused = dial.open(service.port).expect_err("refused");
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
    Dial::new(&authority).open(service.port).unwrap().close();
}

#[test]
fn http_1_1_is_what_is_spoken() {
    let (service, authority) = Service::simple();
    for alpn in [&[&b"h2"[..], b"http/1.1"][..], &[b"http/1.1"]] {
        let mut peer = Dial { alpn, ..Dial::new(&authority) }.open(service.port).unwrap();
        assert_eq!(peer.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        peer.close();
    }
    let dial = Dial { alpn: &[b"h2"], ..Dial::new(&authority) };
    let refused = dial.open(service.port).expect_err("refused");
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

/// Whatever is sent to a port with TLS that is not TLS is answered with an alert, and the end.
#[test]
fn what_is_not_tls_is_refused_at_once() {
    let (service, _) = Service::simple();
    let request = request("/", &[]);
    let inputs: [&[u8]; 6] = [
        request.as_bytes(),
        b"\0\0\0\0\0\0\0\0",
        // A record that is too long.
        &[22, 3, 1, 0xFF, 0xFF, 1],
        // Application data before a handshake.
        &[23, 3, 3, 0, 5, 1, 2, 3, 4, 5],
        // A greeting that is none.
        &[22, 3, 1, 0, 5, 1, 0, 0, 1, 9],
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ];
    for (index, input) in inputs.into_iter().enumerate() {
        let mut stream = tcp(service.port);
        stream.write_all(input).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(answer.len() == 7 && answer.starts_with(&[21, 3]), "{index}: {answer:02x?}");
        drop(stream);
        service.until("counted", |stats| stats.tls_failed == index as u64 + 1);
    }
    service.until("closed", |stats| stats.connections == 0);
}
