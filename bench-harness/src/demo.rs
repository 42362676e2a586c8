//! Showing what a WebSocket echo server answers, message by message.

use crate::client::{Client, Message};
use crate::error::{Error, Result};
use crate::frame;
use std::net::SocketAddr;

/// The close code for a purpose fulfilled, RFC 6455 §7.4.1.
const NORMAL_CLOSURE: u16 = 1000;

/// Sends a greeting, text beyond ASCII, 64 KiB of bytes, a Ping and a Close. `show` gets a line for
/// each answer; an answer that is not the right one is an error.
pub fn converse(server: SocketAddr, mut show: impl FnMut(&str)) -> Result<()> {
    let mut client = Client::connect(server)?;
    for text in ["Hello from ringws", "naïve café, Ελληνικά, 日本語, 🦀"] {
        let echo = exchange(&mut client, frame::TEXT, frame::TEXT, text.as_bytes())?;
        show(&format!("text    -> {text}"));
        show(&format!("        <- {}", String::from_utf8_lossy(&echo.payload)));
    }
    let bytes: Vec<u8> = (0..64u32 * 1024).map(|i| ((i * i) >> 7) as u8).collect();
    let echo = exchange(&mut client, frame::BINARY, frame::BINARY, &bytes)?;
    show(&format!("binary  -> {} bytes", bytes.len()));
    show(&format!("        <- {} bytes, the same", echo.payload.len()));
    let echo = exchange(&mut client, frame::PING, frame::PONG, b"are you there?")?;
    show("ping    -> are you there?");
    show(&format!("        <- pong: {}", String::from_utf8_lossy(&echo.payload)));
    let answer = client.close(NORMAL_CLOSURE, "bye")?;
    let code = answer.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
    show(&format!("close   -> {NORMAL_CLOSURE} bye"));
    if code != Some(NORMAL_CLOSURE) {
        return Err(Error::Protocol(format!("the Close frame was answered with {code:?}")));
    }
    show(&format!("        <- {NORMAL_CLOSURE}, connection ended"));
    Ok(())
}

fn exchange(client: &mut Client, send: u8, expect: u8, payload: &[u8]) -> Result<Message> {
    client.send(send, payload)?;
    let echo = client.receive()?;
    if echo.opcode != expect || echo.payload != payload {
        return Err(Error::Protocol(format!(
            "opcode {send:#x} with {} bytes was answered with opcode {:#x} and {} bytes{}",
            payload.len(),
            echo.opcode,
            echo.payload.len(),
            if echo.payload.len() == payload.len() { ", some of them different" } else { "" }
        )));
    }
    Ok(echo)
}
