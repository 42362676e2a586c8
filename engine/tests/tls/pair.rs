//! Sessions in memory, as a reactor drives them.

use super::certs::{Authority, Certified};
use super::peer::{Dial, payload};
use super::service::settings;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use ringws_engine::memory::{Batch, Pool};
use ringws_engine::tls::{
    Client, ClientCertificate, ClientSettings, Server, ServerSettings, Session,
};
use rustls::client::UnbufferedClientConnection;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, default_provider};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ConnectionTrafficSecrets};
use std::io::{Read, Write};
use std::sync::Arc;

/// Takes bytes in; the plaintext in them.
fn take_in(session: &mut Session, bytes: &[u8], pool: &mut Pool) -> Vec<u8> {
    let mut all = Vec::new();
    let mut carried = |session: &mut Session, pool: &mut Pool| {
        if let Some((memory, plain)) = session.receive_carried(pool) {
            all.extend_from_slice(&memory[plain]);
            pool.put(memory);
        }
    };
    let mut bytes = bytes.to_vec();
    let mut used = 0;
    if !session.is_established() {
        session.carry(&bytes, pool);
        if session.is_ready() {
            carried(session, pool);
        }
        return all;
    }
    while used < bytes.len() && session.carried() > 0 {
        used += session.complete(&bytes[used..], pool);
        carried(session, pool);
    }
    let rest = &mut bytes[used..];
    if !rest.is_empty() {
        let plain = session.receive(rest, pool);
        all.extend_from_slice(&rest[plain]);
    }
    all
}

fn sealed(session: &mut Session, bytes: &[u8], pool: &mut Pool) -> Vec<u8> {
    let batch = Batch::new(bytes.to_vec());
    assert_eq!(session.encrypt(&batch, usize::MAX, pool), Ok(bytes.len()));
    session.take_output().unwrap_or_default()
}

/// Moves what both have to say, so many bytes at a time, until they are silent.
fn settle(client: &mut Session, server: &mut Session, step: usize, pool: &mut Pool) {
    loop {
        let to_server = client.take_output().unwrap_or_default();
        let to_client = server.take_output().unwrap_or_default();
        if to_server.is_empty() && to_client.is_empty() {
            return;
        }
        to_server.chunks(step).for_each(|piece| assert!(take_in(server, piece, pool).is_empty()));
        to_client.chunks(step).for_each(|piece| assert!(take_in(client, piece, pool).is_empty()));
    }
}

fn server(certified: &Certified) -> Server {
    Server::new(&settings(&[certified])).unwrap()
}

fn client(authority: &Authority) -> Client {
    Client::new(&ClientSettings { roots: Some(authority.roots()), ..ClientSettings::default() })
        .unwrap()
}

#[test]
fn records_may_be_cut_anywhere() {
    let authority = Authority::new("test");
    let (server, client) = (server(&authority.issue(&["localhost"])), client(&authority));
    let mut pool = Pool::default();
    let messages: Vec<Vec<u8>> = [1, 2, 100, 16_384, 16_385, 50_000, 3].map(payload).to_vec();
    let all = messages.concat();
    for step in [1, 2, 3, 4, 5, 6, 7, 21, 22, 23, 100, 4_096, 16_384, 16_406, 65_536, usize::MAX] {
        let mut ours = Session::server(&server).unwrap();
        let mut theirs = Session::client(&client, "localhost", &mut pool).unwrap();
        settle(&mut theirs, &mut ours, step, &mut pool);
        assert!(ours.is_established() && theirs.is_established(), "{step}");
        for there in [true, false] {
            let (from, to) =
                if there { (&mut theirs, &mut ours) } else { (&mut ours, &mut theirs) };
            let mut bytes = Vec::new();
            messages.iter().for_each(|message| bytes.extend(sealed(from, message, &mut pool)));
            let mut got = Vec::new();
            bytes.chunks(step).for_each(|piece| got.extend(take_in(to, piece, &mut pool)));
            assert!(got == all, "{step}");
            assert_eq!(to.carried(), 0);
        }
        theirs.close(&mut pool);
        settle(&mut theirs, &mut ours, step, &mut pool);
        assert!(ours.is_peer_closed() && !theirs.is_peer_closed() && ours.failure().is_none());
        ours.close(&mut pool);
        settle(&mut theirs, &mut ours, step, &mut pool);
        assert!(theirs.is_peer_closed());
    }
}

/// A batch of many pieces is as few records as it can be.
#[test]
fn pieces_share_records() {
    let authority = Authority::new("test");
    let (server, client) = (server(&authority.issue(&["localhost"])), client(&authority));
    let mut pool = Pool::default();
    let mut ours = Session::server(&server).unwrap();
    let mut theirs = Session::client(&client, "localhost", &mut pool).unwrap();
    settle(&mut theirs, &mut ours, usize::MAX, &mut pool);
    for (head, shared, records) in [(10, 5_000, 1), (4, 16_380, 1), (10, 40_000, 3), (0, 32_768, 2)]
    {
        let mut batch = Batch::new(payload(head));
        batch.share(Bytes::from(payload(shared)), &mut pool);
        batch.copy(b"end");
        let total = batch.len();
        let mut bytes = Vec::new();
        let mut got = Vec::new();
        while !batch.is_empty() {
            let taken = ours.encrypt(&batch, 1 << 20, &mut pool).unwrap();
            batch.advance(taken);
            bytes.extend(ours.take_output().unwrap());
        }
        let records = records + usize::from((head + shared) % 16_384 == 0);
        assert_eq!(bytes.len(), total + records * 22, "{head} {shared}");
        got.extend(take_in(&mut theirs, &bytes, &mut pool));
        assert!(got == [payload(head), payload(shared), b"end".to_vec()].concat());
    }
    // A part at a time, as a reactor does.
    let mut batch = Batch::new(payload(7));
    batch.share(Bytes::from(payload(100_000)), &mut pool);
    let mut got = Vec::new();
    while !batch.is_empty() {
        let taken = ours.encrypt(&batch, 10_000, &mut pool).unwrap();
        assert!((1..=10_000).contains(&taken));
        batch.advance(taken);
        let bytes = ours.take_output().unwrap();
        got.extend(take_in(&mut theirs, &bytes, &mut pool));
    }
    assert!(got == [payload(7), payload(100_000)].concat());
}

/// rustls's own client, in memory.
struct Other(ClientConnection);

impl Other {
    fn new(config: Arc<ClientConfig>) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        Self(ClientConnection::new(config, name).unwrap())
    }

    fn settle(&mut self, ours: &mut Session, step: usize, pool: &mut Pool) -> Vec<u8> {
        let mut got = Vec::new();
        loop {
            let mut bytes = Vec::new();
            while self.0.wants_write() {
                self.0.write_tls(&mut bytes).unwrap();
            }
            for piece in bytes.chunks(step) {
                got.extend(take_in(ours, piece, pool));
            }
            let answer = ours.take_output().unwrap_or_default();
            if bytes.is_empty() && answer.is_empty() {
                return got;
            }
            let mut rest = &answer[..];
            while !rest.is_empty() {
                self.0.read_tls(&mut rest).unwrap();
                self.0.process_new_packets().unwrap();
            }
        }
    }
}

/// Each way to encrypt leaves the plaintext where we look for it.
#[test]
fn every_cipher_suite_leaves_the_plaintext_in_its_place() {
    let authority = Authority::new("test");
    let both = [authority.issue(&["localhost"]), authority.issue_rsa(&["localhost"])];
    let mut pool = Pool::default();
    for suite in ALL_CIPHER_SUITES {
        let rsa = format!("{:?}", suite.suite()).contains("RSA");
        let server = server(&both[usize::from(rsa)]);
        let mut provider = default_provider();
        provider.cipher_suites = vec![*suite];
        let dial = Dial::new(&authority);
        let mut other = Other::new(dial.config_of(provider));
        let mut ours = Session::server(&server).unwrap();
        other.settle(&mut ours, usize::MAX, &mut pool);
        assert_eq!(other.0.negotiated_cipher_suite(), Some(*suite));
        for len in [1, 5, 8, 20, 1_000, 16_384, 40_000] {
            other.0.writer().write_all(&payload(len)).unwrap();
            assert!(other.settle(&mut ours, 1_000, &mut pool) == payload(len), "{suite:?}");
            let mut bytes = &sealed(&mut ours, &payload(len), &mut pool)[..];
            let mut got = Vec::new();
            while !bytes.is_empty() {
                other.0.read_tls(&mut bytes).unwrap();
                other.0.process_new_packets().unwrap();
                let _ = other.0.reader().read_to_end(&mut got);
            }
            assert!(got == payload(len), "{suite:?}");
        }
    }
}

/// Messages of the handshake over many records.
#[test]
fn handshakes_may_come_in_fragments() {
    let authority = Authority::new("test");
    let certified = authority.issue(&["localhost"]);
    let server = Server::new(&ServerSettings {
        client_certificate: ClientCertificate::Required,
        roots: Some(authority.roots()),
        ..settings(&[&certified])
    })
    .unwrap();
    let own = authority.issue(&["client"]);
    let mut pool = Pool::default();
    for versions in [&[&rustls::version::TLS12][..], &[&rustls::version::TLS13]] {
        let dial = Dial { certificate: Some(&own), versions, ..Dial::new(&authority) };
        for fragment in [32, 33, 100] {
            for step in [1, 7, 50, usize::MAX] {
                let mut config = (*dial.config()).clone();
                config.max_fragment_size = Some(fragment);
                let mut other = Other::new(Arc::new(config));
                let mut ours = Session::server(&server).unwrap();
                other.settle(&mut ours, step, &mut pool);
                assert!(ours.is_established(), "{:?}", ours.failure());
                assert_eq!(ours.peer_certificate(), Some(&own.der()[..]));
                other.0.writer().write_all(&payload(1_000)).unwrap();
                assert!(other.settle(&mut ours, step, &mut pool) == payload(1_000));
            }
        }
    }
}

/// Half a message of a handshake, then silence: whatever is sent meanwhile is sent, and the other
/// half is understood.
#[test]
fn half_a_key_update_holds_nothing_up() {
    let authority = Authority::new("test");
    let server = server(&authority.issue(&["localhost"]));
    let mut pool = Pool::default();
    let mut config = (*Dial::new(&authority).config()).clone();
    config.enable_secret_extraction = true;
    let mut ours = Session::server(&server).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut other = UnbufferedClientConnection::new(Arc::new(config), name).unwrap();
    let mut incoming = Vec::new();
    while !ours.is_established() {
        let bytes = super::unbuffered::speak(&mut other, &mut incoming);
        assert!(take_in(&mut ours, &bytes, &mut pool).is_empty());
        incoming.extend(ours.take_output().unwrap_or_default());
    }
    super::unbuffered::speak(&mut other, &mut incoming);
    let (secrets, _) = other.dangerous_into_kernel_connection().unwrap();
    let (mut seq, ConnectionTrafficSecrets::Aes256Gcm { key, iv }) = secrets.tx else {
        panic!("another cipher suite is preferred")
    };
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
    let mut record = |kind: u8, bytes: &[u8]| {
        let mut nonce: [u8; 12] = iv.as_ref().try_into().unwrap();
        nonce[4..].iter_mut().zip(seq.to_be_bytes()).for_each(|(to, from)| *to ^= from);
        seq += 1;
        let len = (bytes.len() + 17) as u16;
        let header = [&[23, 3, 3][..], &len.to_be_bytes()].concat();
        let mut body = [bytes, &[kind]].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::from(&header), &mut body).unwrap();
        [header, body].concat()
    };
    let (handshake, data) = (22, 23);
    assert_eq!(take_in(&mut ours, &record(data, b"before"), &mut pool), b"before");
    assert!(take_in(&mut ours, &record(handshake, &[24, 0]), &mut pool).is_empty());
    assert!(ours.carried() > 0 && ours.failure().is_none());
    // 1 + 16 for what is inside, 5 for the header.
    assert_eq!(sealed(&mut ours, b"meanwhile", &mut pool).len(), 9 + 22);
    assert!(take_in(&mut ours, &record(handshake, &[0]), &mut pool).is_empty());
    assert_eq!(sealed(&mut ours, b"meanwhile", &mut pool).len(), 9 + 22);
    // Data in between is not allowed (RFC 8446 §5.1).
    let bytes = record(data, b"in between");
    assert!(take_in(&mut ours, &bytes, &mut pool).is_empty());
    assert!(ours.failure().is_some());
    assert!(ours.encrypt(&Batch::new(vec![1]), 9, &mut pool).is_err());
    assert!(take_in(&mut ours, &bytes, &mut pool).is_empty());
}

/// A client says why it does not trust a server.
#[test]
fn clients_say_why_they_do_not_trust() {
    let (authority, stranger) = (Authority::new("test"), Authority::new("another"));
    let mut pool = Pool::default();
    let mut connect = |certified: &Certified, settings: &ClientSettings, name: &str| {
        let (server, client) = (server(certified), Client::new(settings).unwrap());
        let mut ours = Session::server(&server).unwrap();
        let mut theirs = Session::client(&client, name, &mut pool).unwrap();
        settle(&mut theirs, &mut ours, usize::MAX, &mut pool);
        // The alert has told the server.
        assert_eq!(ours.failure().is_some(), theirs.failure().is_some());
        theirs.failure().map(|alert| alert.0.clone()).unwrap_or_default()
    };
    let trusting = ClientSettings { roots: Some(authority.roots()), ..ClientSettings::default() };
    let good = authority.issue(&["localhost", "127.0.0.1"]);
    assert_eq!(connect(&good, &trusting, "localhost"), "");
    assert_eq!(connect(&good, &trusting, "127.0.0.1"), "");
    let wrong = connect(&good, &trusting, "example.com");
    assert!(wrong.contains("not valid for name"), "{wrong}");
    let wrong = connect(&stranger.issue(&["localhost"]), &trusting, "localhost");
    assert!(wrong.contains("UnknownIssuer"), "{wrong}");
    let wrong = connect(&authority.expired(&["localhost"]), &trusting, "localhost");
    assert!(wrong.contains("expired"), "{wrong}");
    let der = good.der().to_vec();
    let pinned = |der: Vec<u8>| ClientSettings {
        verify: Some(Arc::new(move |shown| shown == der)),
        ..trusting.clone()
    };
    assert_eq!(connect(&good, &pinned(der), "localhost"), "");
    let wrong = connect(&good, &pinned(Vec::new()), "localhost");
    assert!(wrong.contains("ApplicationVerificationFailure"), "{wrong}");
    let client = Client::new(&trusting).unwrap();
    assert!(Session::client(&client, "no name", &mut Pool::default()).is_err());
}
