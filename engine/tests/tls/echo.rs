//! Messages over TLS.

use super::certs::Authority;
use super::peer::{Dial, payload};
use super::service::{Service, settings};
use ringws_engine::config::Config;
use ringws_engine::conn::Limits;
use ringws_kit::{BINARY, TEXT};
use rustls::version::{TLS12, TLS13};

const SIZES: [usize; 14] =
    [0, 1, 20, 125, 126, 4_095, 4_096, 16_000, 16_384, 16_385, 40_000, 65_536, 200_000, 1_000_000];

#[test]
fn echoes_of_all_sizes_in_both_versions() {
    let (service, authority) = Service::simple();
    for version in [&TLS12, &TLS13] {
        let dial = Dial { versions: &[version], ..Dial::new(&authority) };
        let mut peer = dial.open(service.port).unwrap();
        assert_eq!(peer.stream.conn.protocol_version(), Some(version.version));
        for size in SIZES {
            peer.echoes(BINARY, payload(size));
        }
        peer.echoes(TEXT, "text");
        peer.close();
    }
    service.until("closed", |stats| stats.connections == 0);
    assert_eq!(service.seen(|seen| seen.closes.clone()), [(1000, Some(1000)); 2]);
    let stats = service.stats();
    assert_eq!((stats.tls_handshakes, stats.tls_failed), (2, 0));
}

#[test]
fn buffers_that_no_record_fits_into_echo_all_sizes() {
    let authority = Authority::new("test");
    let config =
        Config { reactors: 1, recv_buffer_size: 64, recv_buffers: 16, ..Config::default() };
    let limits = Limits { message_max: 1 << 20, ..Limits::default() };
    let service = Service::with(&settings(&[&authority.issue(&["localhost"])]), limits, config);
    let mut peer = Dial::new(&authority).open(service.port).unwrap();
    for size in SIZES {
        peer.echoes(BINARY, payload(size));
    }
    peer.close();
}

#[test]
fn sixteen_mebibytes_come_back_whole() {
    let authority = Authority::new("test");
    let limits = Limits { message_max: 16 << 20, send_queue_max: 16 << 20, ..Limits::default() };
    let config = Config { reactors: 1, ..Config::default() };
    let service = Service::with(&settings(&[&authority.issue(&["localhost"])]), limits, config);
    for version in [&TLS12, &TLS13] {
        let dial = Dial { versions: &[version], ..Dial::new(&authority) };
        let mut peer = dial.open(service.port).unwrap();
        for _ in 0..3 {
            peer.echoes(BINARY, payload(16 << 20));
        }
        peer.close();
    }
}

/// What comes while the application pauses is kept, and delivered when it goes on.
#[test]
fn what_comes_during_a_pause_is_delivered_behind_it() {
    let (service, authority) = Service::simple();
    let mut peer = Dial::new(&authority).open(service.port).unwrap();
    peer.send(TEXT, "pause");
    (0..100).for_each(|index| peer.send(BINARY, payload(index * 100)));
    peer.send(TEXT, "retain");
    peer.hears(TEXT, "pause");
    (0..100).for_each(|index| peer.hears(BINARY, payload(index * 100)));
    peer.hears(TEXT, "retain");
    peer.close();
}
