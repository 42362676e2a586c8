//! A server's TLS under any bytes: greetings that are none, flights and records of a client that
//! are spoiled and cut anywhere. What is delivered is what was sent, or nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::memory::{Batch, Pool};
use ringws_engine::tls::{Client, ClientSettings, Identity, Pem, Server, ServerSettings, Session};
use ringws_fuzz::{Input, pieces};
use std::sync::LazyLock;

/// Its own issuer, for localhost, made for this.
const CHAIN: &str = include_str!("../identity/chain.pem");
const KEY: &str = include_str!("../identity/key.pem");

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let identities = vec![Identity::from_pem(CHAIN, KEY)];
    Server::new(&ServerSettings { identities, ..ServerSettings::default() }).expect("settings")
});
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let roots = Some(Pem::Bytes(CHAIN.into()));
    Client::new(&ClientSettings { roots, ..ClientSettings::default() }).expect("settings")
});

/// As a reactor does.
fn take_in(session: &mut Session, bytes: &[u8], pool: &mut Pool) -> Vec<u8> {
    let mut all = Vec::new();
    let mut bytes = bytes.to_vec();
    let mut used = 0;
    if !session.is_established() {
        session.carry(&bytes, pool);
        used = bytes.len();
        if !session.is_ready() {
            return all;
        }
    }
    loop {
        if used < bytes.len() && session.carried() > 0 {
            used += session.complete(&bytes[used..], pool);
        }
        if let Some((memory, plain)) = session.receive_carried(pool) {
            all.extend_from_slice(&memory[plain]);
            pool.put(memory);
        }
        if used == bytes.len() || session.carried() == 0 {
            break;
        }
    }
    if used < bytes.len() {
        let rest = &mut bytes[used..];
        let plain = session.receive(rest, pool);
        all.extend_from_slice(&rest[plain]);
    }
    all
}

/// Changes bytes at places that `how` names.
fn spoil(bytes: &mut [u8], how: &[u8]) {
    for change in how.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len().max(1);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= change[2];
        }
    }
}

fn check(session: &mut Session, pool: &mut Pool) {
    assert!(session.carried() <= 1 << 17, "{} bytes are kept", session.carried());
    let _ = session.encrypt(&Batch::new(vec![7; 20]), 20, pool);
    let output = session.take_output();
    if session.failure().is_some() {
        assert!(take_in(session, b"anything", pool).is_empty());
        assert_eq!((session.carried(), session.take_output()), (0, None));
        // An alert, or nothing when the peer's own was the reason.
        assert!(output.is_none_or(|bytes| bytes.len() < 10_000));
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (mode, how, spoiled) = (input.byte(), input.byte(), usize::from(input.byte()) * 3);
    let rest = input.rest();
    let mut pool = Pool::default();
    let mut ours = Session::server(&SERVER).expect("a session");
    if mode % 3 == 0 {
        for piece in pieces(how, rest) {
            assert!(take_in(&mut ours, piece, &mut pool).is_empty());
        }
        return check(&mut ours, &mut pool);
    }
    let (how_spoiled, payload) = rest.split_at(spoiled.min(rest.len()));
    let mut theirs = Session::client(&CLIENT, "localhost", &mut pool).expect("a session");
    while let Some(mut flight) = theirs.take_output() {
        if mode % 3 == 1 {
            spoil(&mut flight, how_spoiled);
        }
        for piece in pieces(how, &flight) {
            take_in(&mut ours, piece, &mut pool);
        }
        if let Some(answer) = ours.take_output() {
            take_in(&mut theirs, &answer, &mut pool);
        }
    }
    if ours.is_established() && theirs.is_established() {
        let mut records = Vec::new();
        for part in payload.chunks(100) {
            theirs.encrypt(&Batch::new(part.to_vec()), 100, &mut pool).expect("it is open");
            records.extend(theirs.take_output().expect("a record"));
        }
        if mode % 3 == 2 {
            spoil(&mut records, how_spoiled);
        }
        let mut got = Vec::new();
        for piece in pieces(how, &records) {
            got.extend(take_in(&mut ours, piece, &mut pool));
        }
        assert!(payload.starts_with(&got), "other bytes than were sent");
        assert!(ours.failure().is_some() || got.len() == payload.len() || mode % 3 == 2);
    }
    check(&mut ours, &mut pool);
});
