//! Bytes of compressed messages, on the wire and off it.

use crate::service::{serve, until};
use ringws_engine::conn::{Deflate, Limits};
use ringws_kit::{Client, tcp};

#[test]
fn compressed_bytes_are_counted_before_and_after() {
    let limits = Limits { deflate: Some(Deflate::default()), ..Limits::default() };
    let (engine, port) = serve(limits, crate::service::Echo);
    let offer = [("Sec-WebSocket-Extensions", "permessage-deflate")];
    let mut client = Client::open_with(tcp(port), "/", &offer);
    assert!(client.head().contains("permessage-deflate"), "{}", client.head());
    // A stored block of RFC 1951 §3.2.4 without its length, as RFC 7692 §7.2.3.3 has one: a
    // thousand times the same is smaller when we compress it.
    let mut block = vec![0];
    block.extend_from_slice(&1_000u16.to_le_bytes());
    block.extend_from_slice(&(!1_000u16).to_le_bytes());
    block.extend_from_slice(&[b'x'; 1_000]);
    // The four bytes 00 00 FF FF behind it are left out, RFC 7692 §7.2.1.
    block.push(0);
    client.send(0xC1, &block);
    let (first, answer) = client.receive();
    assert!(first == 0xC1 && answer.len() < 100, "{first:#x}, {} bytes", answer.len());
    until(&engine, "all is counted", |now| now.deflated_out_plain == 1_000);
    let now = engine.stats(None).expect("all");
    assert_eq!((now.deflated_in_wire, now.deflated_in_plain), (block.len() as u64, 1_000));
    assert_eq!(now.deflated_out_plain - now.deflate_saved, answer.len() as u64);
}
