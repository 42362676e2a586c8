//! What a peer may do to the bytes: cut them anywhere, spoil them, stop in the middle.

use super::certs::Authority;
use super::peer::{Dial, payload};
use super::running::{of, reactors};
use super::service::{PATIENCE, Service, settings};
use ringws_engine::conn::Limits;
use ringws_kit::{BINARY, CLOSE, Frame, TEXT, close, frame, request, tcp};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, ClientConnection, Error};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// Both directions by hand.
struct Raw {
    conn: ClientConnection,
    stream: TcpStream,
}

impl Raw {
    fn new(dial: &Dial<'_>, port: u16) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        Self { conn: ClientConnection::new(dial.config(), name).unwrap(), stream: tcp(port) }
    }

    /// What rustls wants to send.
    fn ciphertext(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.conn.wants_write() {
            self.conn.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Takes in what comes; what that comes to. `None` at the end of the stream.
    fn take_in(&mut self) -> Option<Result<(), Error>> {
        match self.conn.read_tls(&mut self.stream) {
            Ok(0) => None,
            Ok(_) => Some(self.conn.process_new_packets().map(|_| ())),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Until the upgrade is answered, sending so many bytes at a time.
    fn open(&mut self, step: usize) {
        self.conn.writer().write_all(request("/", &[]).as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            for piece in self.ciphertext().chunks(step) {
                self.stream.write_all(piece).unwrap();
            }
            self.take_in().unwrap().unwrap();
            let _ = self.conn.reader().read_to_end(&mut head);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
    }

    /// Reads until an alert comes.
    fn alert(&mut self) -> AlertDescription {
        loop {
            match self.take_in().expect("an alert before the end") {
                Ok(()) => {}
                Err(Error::AlertReceived(alert)) => return alert,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn records_may_come_byte_by_byte() {
    let (service, authority) = Service::simple();
    for version in [&TLS12, &TLS13] {
        let dial = Dial { versions: &[version], ..Dial::new(&authority) };
        let mut raw = Raw::new(&dial, service.port);
        raw.open(1);
        raw.conn.writer().write_all(&frame(BINARY, payload(300))).unwrap();
        for byte in raw.ciphertext() {
            raw.stream.write_all(&[byte]).unwrap();
        }
        let mut echoed = Vec::new();
        while echoed.len() < 304 {
            raw.take_in().unwrap().unwrap();
            let _ = raw.conn.reader().read_to_end(&mut echoed);
        }
        assert_eq!(echoed[4..], payload(300));
    }
    assert_eq!(service.stats().tls_handshakes, 2);
}

/// Everything at once: the last flight of the handshake, the request, and what follows it.
#[test]
fn records_may_come_all_in_one_piece() {
    let (service, authority) = Service::simple();
    let mut raw = Raw::new(&Dial::new(&authority), service.port);
    let hello = raw.ciphertext();
    raw.stream.write_all(&hello).unwrap();
    while raw.conn.is_handshaking() {
        raw.take_in().unwrap().unwrap();
    }
    raw.conn.writer().write_all(request("/", &[]).as_bytes()).unwrap();
    let messages: Vec<u8> = (0..50).flat_map(|len| frame(BINARY, payload(len))).collect();
    raw.conn.writer().write_all(&messages).unwrap();
    raw.conn.writer().write_all(&frame(CLOSE, close(1000, ""))).unwrap();
    let bytes = raw.ciphertext();
    raw.stream.write_all(&bytes).unwrap();
    raw.stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    while raw.take_in().is_some_and(|taken| taken.is_ok()) {}
    let ended = raw.conn.reader().read_to_end(&mut answer);
    assert!(ended.is_ok(), "a close_notify: {ended:?}");
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let said = |first, payload: &[u8]| Frame::new(first, payload).unmasked().bytes();
    let echoes = (0..50).flat_map(|len| said(BINARY, &payload(len)));
    let expected: Vec<u8> = echoes.chain(said(CLOSE, &close(1000, ""))).collect();
    assert_eq!(&answer[head..], expected);
}

/// A stream that ends without a Close frame is abnormal, with a close_notify or without.
#[test]
fn a_stream_without_a_close_frame_is_abnormal() {
    let (service, authority) = Service::simple();
    let mut cut = Dial::new(&authority).open(service.port).unwrap();
    cut.echoes(TEXT, "hello");
    cut.stream.sock.shutdown(Shutdown::Both).unwrap();
    let mut told = Dial::new(&authority).open(service.port).unwrap();
    told.stream.conn.send_close_notify();
    told.stream.flush().unwrap();
    // Answered with the same.
    told.ends();
    // In the middle of a record.
    let mut raw = Raw::new(&Dial::new(&authority), service.port);
    raw.open(usize::MAX);
    raw.conn.writer().write_all(&frame(BINARY, payload(300))).unwrap();
    let bytes = raw.ciphertext();
    raw.stream.write_all(&bytes[..200]).unwrap();
    drop(raw);
    service.until("closed", |stats| stats.connections == 0 && stats.upgraded == 3);
    assert_eq!(service.seen(|seen| seen.closes.clone()), [(1006, None); 3]);
}

/// Records that are none, or not the peer's, are answered with an alert and the end.
#[test]
fn spoilt_records_are_answered_with_an_alert() {
    let (service, authority) = Service::simple();
    let open = || {
        let mut raw = Raw::new(&Dial::new(&authority), service.port);
        raw.open(usize::MAX);
        raw
    };
    let mut flipped = open();
    flipped.conn.writer().write_all(&frame(BINARY, payload(300))).unwrap();
    let mut bytes = flipped.ciphertext();
    bytes[100] ^= 1;
    flipped.stream.write_all(&bytes).unwrap();
    assert_eq!(flipped.alert(), AlertDescription::BadRecordMac);

    let mut oversized = open();
    oversized.stream.write_all(&[23, 3, 3, 0x60, 0]).unwrap();
    assert_eq!(oversized.alert(), AlertDescription::DecodeError);

    let mut strange = open();
    strange.stream.write_all(&[99, 3, 3, 0, 1, 0]).unwrap();
    assert_eq!(strange.alert(), AlertDescription::DecodeError);

    let mut plain = open();
    plain.stream.write_all(&frame(TEXT, "not encrypted")).unwrap();
    assert_eq!(plain.alert(), AlertDescription::DecodeError);

    // What was whole before it is still delivered.
    let mut late = open();
    late.conn.writer().write_all(&frame(TEXT, "whole")).unwrap();
    let mut bytes = late.ciphertext();
    bytes.extend([23, 3, 3, 0, 20]);
    bytes.extend([7; 20]);
    late.stream.write_all(&bytes).unwrap();
    assert_eq!(late.alert(), AlertDescription::BadRecordMac);

    drop((flipped, oversized, strange, plain, late));
    service.until("closed", |stats| stats.connections == 0);
    assert_eq!(service.seen(|seen| seen.closes.clone()), [(1006, None); 5]);
    let told = service.stats();
    assert_eq!((told.messages_in, of(&told, "ends", "tls")), (1, 5));
}

/// New keys in the middle of a connection, at either side's wish.
#[test]
fn keys_are_renewed() {
    let (service, authority) = Service::simple();
    let dial = Dial { versions: &[&TLS13], ..Dial::new(&authority) };
    let mut peer = dial.open(service.port).unwrap();
    for round in 0..20 {
        // Asks for ours to be renewed, too.
        peer.stream.conn.refresh_traffic_keys().unwrap();
        peer.echoes(BINARY, payload(round * 1_000));
    }
    peer.close();
}

#[test]
fn a_slow_greeting_times_out() {
    let authority = Authority::new("test");
    let limits = Limits { handshake_timeout_ms: 300, ..Limits::default() };
    let service =
        Service::with(&settings(&[&authority.issue(&["localhost"])]), limits, reactors(1));
    let mut raw = Raw::new(&Dial::new(&authority), service.port);
    let hello = raw.ciphertext();
    let start = Instant::now();
    for byte in &hello[..100] {
        if raw.stream.write_all(&[*byte]).is_err() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // No more than the handshake of TLS, and silence behind it.
    let mut silent = tcp(service.port);
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    let mut done = Raw::new(&Dial::new(&authority), service.port);
    while done.conn.is_handshaking() {
        let bytes = done.ciphertext();
        done.stream.write_all(&bytes).unwrap();
        done.take_in().unwrap().unwrap();
    }
    let bytes = done.ciphertext();
    done.stream.write_all(&bytes).unwrap();
    while done.take_in().is_some() {}
    assert!(start.elapsed() < PATIENCE);
    service.until("timed out", |stats| stats.timeouts == 3 && stats.connections == 0);
    assert_eq!((service.stats().tls_failed, service.stats().tls_handshakes), (2, 1));
}

/// A message of a handshake that is longer than any is refused when its length is seen, however
/// much of it is sent: nothing of it is kept.
#[test]
fn an_endless_greeting_is_refused_at_its_length() {
    let (service, _) = Service::simple();
    let mut stream = tcp(service.port);
    // Records of a handshake message of 16 MiB.
    let mut record = vec![22, 3, 1, 0x40, 0, 1, 0xFF, 0xFF, 0xFF];
    record.resize(5 + (16 << 10), 0);
    stream.write_all(&record).unwrap();
    // Ended at once, long before the handshake's timeout; rustls has no alert for it.
    assert_eq!(stream.read(&mut [0; 64]).unwrap(), 0);
    let next = [&[22, 3, 1, 0x40, 0][..], &[0; 16 << 10]].concat();
    // Discarded, or not even taken.
    for _ in 0..100 {
        let _ = stream.write_all(&next);
    }
    drop(stream);
    service.until("closed", |stats| stats.connections == 0 && stats.tls_failed == 1);
}

/// Reconnecting peers do not starve one that is connected: while their handshakes go on, its
/// messages are answered between any few of them.
#[test]
fn a_storm_of_handshakes_leaves_room() {
    const PEERS: usize = 300;
    let authority = Authority::new("test");
    let service = Service::new(&settings(&[&authority.issue_rsa(&["localhost"])]));
    let mut open = Dial::new(&authority).open(service.port).unwrap();
    let dial = Dial::new(&authority);
    let mut storm: Vec<Raw> = (0..PEERS).map(|_| Raw::new(&dial, service.port)).collect();
    for raw in &mut storm {
        let hello = raw.ciphertext();
        raw.stream.write_all(&hello).unwrap();
    }
    let start = Instant::now();
    let (mut echoes, mut slowest) = (0, Duration::ZERO);
    let answered = |raw: &Raw| {
        raw.stream.set_nonblocking(true).unwrap();
        let came = raw.stream.peek(&mut [0]).is_ok();
        raw.stream.set_nonblocking(false).unwrap();
        came
    };
    let mut next = 0;
    loop {
        while next < PEERS && answered(&storm[next]) {
            next += 1;
        }
        if next == PEERS {
            break;
        }
        let sent = Instant::now();
        open.echoes(TEXT, "still there?");
        echoes += 1;
        slowest = slowest.max(sent.elapsed());
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(echoes > PEERS / 30, "{echoes} in {:?}, the slowest in {slowest:?}", start.elapsed());
    for raw in &mut storm {
        raw.open(usize::MAX);
    }
    assert_eq!(service.stats().tls_handshakes, PEERS as u64 + 1);
    open.close();
}
