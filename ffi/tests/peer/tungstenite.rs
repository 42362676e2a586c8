//! The crate `tungstenite`, on the streams of the standard library and of rustls.

use super::socket::{BINARY, CLOSE, CONTINUATION, PING, PONG, Socket, TEXT, close};
use super::{Mode, Target, tls};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

/// What a stream must be able to do.
pub(crate) trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

fn config() -> WebSocketConfig {
    let large = Some(64 << 20);
    WebSocketConfig::default().max_message_size(large).max_frame_size(large)
}

/// Connects as a client.
pub(crate) fn connect(target: &Target) -> Box<dyn Socket> {
    let stream = TcpStream::connect(("127.0.0.1", target.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let stream: Box<dyn Stream> = match target.roots() {
        Some(roots) => Box::new(tls::client(stream, roots)),
        None => Box::new(stream),
    };
    let connected = tungstenite::client::client_with_config(target.url(), stream, Some(config()));
    Box::new(connected.unwrap_or_else(|error| panic!("{error}")).0)
}

/// Takes a connection as a server.
pub(crate) fn accept(stream: TcpStream, mode: Mode) -> Box<dyn Socket> {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let stream: Box<dyn Stream> =
        if mode.tls { Box::new(tls::server(stream)) } else { Box::new(stream) };
    let accepted = tungstenite::accept_with_config(stream, Some(config()));
    Box::new(accepted.unwrap_or_else(|error| panic!("{error}")))
}

impl Socket for WebSocket<Box<dyn Stream>> {
    fn send(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        let payload = payload.to_vec();
        let message = match opcode {
            TEXT if fin => Message::Text(String::from_utf8(payload).unwrap().into()),
            BINARY if fin => Message::Binary(payload.into()),
            PING => Message::Ping(payload.into()),
            CLOSE => {
                let code = u16::from_be_bytes([payload[0], payload[1]]).into();
                let reason = String::from_utf8(payload[2..].to_vec()).unwrap().into();
                Message::Close(Some(CloseFrame { code, reason }))
            }
            _ => {
                let data = match opcode {
                    CONTINUATION => Data::Continue,
                    TEXT => Data::Text,
                    _ => Data::Binary,
                };
                Message::Frame(Frame::message(payload, OpCode::Data(data), fin))
            }
        };
        WebSocket::send(self, message).unwrap();
    }

    fn receive(&mut self) -> (u8, Vec<u8>) {
        loop {
            match self.read().unwrap() {
                Message::Text(text) => return (TEXT, text.as_bytes().to_vec()),
                Message::Binary(bytes) => return (BINARY, bytes.to_vec()),
                Message::Pong(bytes) => return (PONG, bytes.to_vec()),
                Message::Close(frame) => {
                    // The crate answers while it is asked for what comes after.
                    match self.read() {
                        Err(Error::ConnectionClosed | Error::AlreadyClosed) => {}
                        other => panic!("{other:?} after a Close"),
                    }
                    let payload = frame.map(|frame| close(frame.code.into(), &frame.reason));
                    return (CLOSE, payload.unwrap_or_default());
                }
                Message::Ping(_) => {}
                Message::Frame(_) => unreachable!("only sent"),
            }
        }
    }
}
