//! Decompression bombs: a gibibyte of zeros in a mebibyte of frames.

use super::child::{in_a_child, is_child};
use super::resources::growth;
use super::service::Service;
use super::wire;
use ringws_engine::codec::{Deflater, Setting};
use ringws_engine::conn::{Deflate, Limits};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// `mib` mebibytes of zeros as one compressed message: blocks that each inflate to one of them.
fn zeros(mib: usize) -> Vec<u8> {
    let mut deflater = Deflater::new(Setting { level: 9, bits: 15 }, 8);
    let (block, mut out, mut all) = (vec![0; MIB], Vec::new(), Vec::new());
    for left in (0..mib).rev() {
        deflater.deflate(&block, &mut out);
        all.extend_from_slice(&out);
        if left > 0 {
            all.extend_from_slice(&[0, 0, 0xFF, 0xFF]);
        }
    }
    all
}

/// Binary frames with RSV1 on the first, masked with zeros, at most `most` bytes in each.
fn frames(message: &[u8], most: usize) -> Vec<u8> {
    let (mut bytes, count) = (Vec::new(), message.chunks(most).len());
    for (index, part) in message.chunks(most).enumerate() {
        let fin = if index + 1 == count { 0x80 } else { 0 };
        bytes.push(if index == 0 { fin | 0x42 } else { fin });
        match u16::try_from(part.len()) {
            Ok(len @ ..126) => bytes.push(0x80 | len as u8),
            Ok(len) => bytes.extend([&[0xFE][..], &len.to_be_bytes()].concat()),
            Err(_) => {
                bytes.push(0xFF);
                bytes.extend((part.len() as u64).to_be_bytes());
            }
        }
        bytes.extend([0; 4]);
        bytes.extend_from_slice(part);
    }
    bytes
}

fn connect(port: u16, path: &str) -> TcpStream {
    let mut stream = wire::connect(port);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the request");
    let mut head = Vec::new();
    wire::read_head(&mut stream, &mut head);
    let head = String::from_utf8(head).expect("ASCII");
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("permessage-deflate"), "{head}");
    stream
}

/// Sends it, and reads the code of the Close frame that must be all that comes back.
fn close_code(port: u16, bytes: &[u8]) -> u16 {
    let mut stream = connect(port, "/sink");
    let mut reader = stream.try_clone().expect("a second handle");
    let reads = thread::spawn(move || {
        let mut answer = Vec::new();
        wire::read_to_end(&mut reader, &mut answer);
        answer
    });
    // The server may have ended before all is written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let answer = reads.join().expect("the reader");
    assert!(matches!(answer[..], [0x88, 2, ..]), "{}", answer.escape_ascii());
    u16::from_be_bytes([answer[2], answer[3]])
}

/// An ordinary message, so that what every connection needs is there.
fn warm_up(port: u16) {
    let mut stream = connect(port, "/");
    // "Hello", RFC 7692 §7.2.3.1.
    let hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0];
    stream.write_all(&[&[0xC1, 0x87, 0, 0, 0, 0][..], &hello].concat()).expect("a message");
    let mut echo = [0; 7];
    stream.read_exact(&mut echo).expect("its echo");
    assert_eq!(&echo, b"\x81\x05Hello");
}

#[test]
fn a_bomb_ends_at_the_limit_and_in_its_memory() {
    if !is_child() {
        return in_a_child("bomb::a_bomb_ends_at_the_limit_and_in_its_memory");
    }
    let (whole, half) = (zeros(1024), zeros(512));
    assert!(whole.len() < MIB + MIB / 8 && half.len() < MIB * 3 / 4, "{}", whole.len());
    let bombs = [frames(&whole, usize::MAX), frames(&half, usize::MAX), frames(&half, 16 << 10)];
    for (takeover, stream) in [(false, false), (true, false), (false, true), (true, true)] {
        let deflate = Some(Deflate { takeover, ..Deflate::default() });
        let service = Service::new(Limits { deflate, stream, ..Limits::default() });
        warm_up(service.port);
        let grown = growth(|look| {
            for bomb in &bombs {
                assert_eq!(close_code(service.port, bomb), 1009, "takeover {takeover}");
                look();
            }
        });
        println!("takeover {takeover}, stream {stream}: {} KiB more", grown >> 10);
        assert!(grown < 4 * MIB, "takeover {takeover}, stream {stream}: {grown} bytes more");
        service.quiesce();
    }
}

#[test]
fn a_bomb_passes_in_parts_where_nothing_limits_a_message() {
    if !is_child() {
        return in_a_child("bomb::a_bomb_passes_in_parts_where_nothing_limits_a_message");
    }
    let deflate = Some(Deflate::default());
    let limits = Limits { deflate, stream: true, message_max: u32::MAX, ..Limits::default() };
    let service = Service::new(limits);
    warm_up(service.port);
    let bomb = frames(&zeros(1024), usize::MAX);
    let grown = growth(|look| {
        let mut stream = connect(service.port, "/sink");
        stream.write_all(&bomb).expect("the bomb");
        let since = std::time::Instant::now();
        let came = || service.engine.stats(None).expect("counters").bytes_in;
        while came() < 1024 * MIB as u64 {
            look();
            assert!(since.elapsed() < Duration::from_secs(60), "{} bytes", came());
            thread::sleep(Duration::from_millis(5));
        }
        look();
    });
    println!("in parts: {} KiB more", grown >> 10);
    assert!(grown < 4 * MIB, "{grown} bytes more");
}
