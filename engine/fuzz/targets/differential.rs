//! The same frames to this engine and to tungstenite: the same messages, and the same kind of
//! error behind them. Where the two may differ, the reason stands beside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::conn::{Connection, Env, Event, Failure, Limits, Tools};
use ringws_engine::memory::Pool;
use ringws_engine::proto::handshake::Response;
use ringws_engine::proto::{Input as Cursor, Opcode, Violation};
use ringws_fuzz::{Input, pieces};
use std::io::{self, Read, Write};
use tungstenite::error::{CapacityError, Error, ProtocolError};
use tungstenite::protocol::{Message, Role, WebSocket, WebSocketConfig};

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const MESSAGE_MAX: usize = 500;

/// What a peer said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Message(Opcode, Vec<u8>),
    Pong(Vec<u8>),
    Close,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The bytes were used up.
    Exhausted,
    Protocol,
    Utf8,
    TooBig,
}

fn ours(how: u8, stream: &[u8]) -> (Vec<Said>, End, Option<Violation>) {
    let limits =
        Limits { message_max: MESSAGE_MAX as u32, fragments_max: u32::MAX, ..Limits::default() };
    let (mut pool, mut copied) = (Pool::new(1 << 16), 0);
    let mut tools = Tools::new(|block| block.fill(0x5A));
    let (limits, pool) = (&limits, &mut pool);
    let mut env = Env { now: 0, limits, pool, tools: &mut tools, copied: &mut copied };
    let mut conn = Connection::server(0);
    let mut said = Vec::new();
    let whole = [HEAD, stream].concat();
    for piece in pieces(how, &whole) {
        let mut bytes = piece.to_vec();
        let mut cursor = Cursor::new(&mut bytes);
        loop {
            match conn.receive(&mut cursor, &mut env) {
                Ok(Some(Event::Request(request))) => {
                    conn.accept(&request, &Response::default(), &mut env);
                }
                Ok(Some(Event::Batch(batch))) => {
                    said.extend(batch.map(|(opcode, data)| Said::Message(opcode, data.to_vec())))
                }
                Ok(Some(Event::Message { opcode, data, .. })) => {
                    said.push(Said::Message(opcode, data.as_slice().to_vec()));
                }
                Ok(Some(Event::Pong(data))) => said.push(Said::Pong(data.as_slice().to_vec())),
                Ok(Some(Event::Open(_) | Event::Tunnel)) => panic!("a server asks for nothing"),
                Ok(Some(Event::Close)) => {
                    said.push(Said::Close);
                    return (said, End::Exhausted, None);
                }
                Ok(None) => break,
                Err(Failure::Violation(violation)) => {
                    let end = match violation {
                        Violation::InvalidUtf8 | Violation::InvalidCloseReason => End::Utf8,
                        Violation::MessageTooBig => End::TooBig,
                        _ => End::Protocol,
                    };
                    return (said, end, Some(violation));
                }
                Err(failure) => panic!("{failure}"),
            }
        }
    }
    (said, End::Exhausted, None)
}

/// Bytes to read and nowhere to write.
struct Wire<'s>(&'s [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(stream: &[u8]) -> (Vec<Said>, End) {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let mut socket = WebSocket::from_raw_socket(Wire(stream), Role::Server, Some(config));
    let mut said = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => {
                said.push(Said::Message(Opcode::Text, text.as_bytes().to_vec()));
            }
            Ok(Message::Binary(bytes)) => said.push(Said::Message(Opcode::Binary, bytes.to_vec())),
            Ok(Message::Pong(bytes)) => said.push(Said::Pong(bytes.to_vec())),
            Ok(Message::Close(_)) => {
                said.push(Said::Close);
                return (said, End::Exhausted);
            }
            Ok(_) => {}
            Err(Error::Utf8(_)) => return (said, End::Utf8),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
                return (said, End::TooBig);
            }
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_)) => {
                return (said, End::Exhausted);
            }
            Err(Error::Protocol(_)) => return (said, End::Protocol),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Whether two ends that are not the same may stand behind the same messages.
fn may_differ(violation: Option<Violation>, our_end: End, their_end: End) -> bool {
    use Violation::*;
    match (our_end, their_end) {
        // We fail at the first byte that shows it; tungstenite waits for the frame.
        (_, End::Exhausted) => true,
        // Its look at a length comes before its look at anything else.
        (End::Protocol, End::TooBig) => true,
        // A length over 2^63 - 1 breaks RFC 6455 §5.2; to tungstenite it is only large.
        _ if violation == Some(LengthOverflow) => their_end == End::TooBig,
        // A reason that is not UTF-8 may be answered either way (RFC 6455 §5.5.1, §8.1).
        _ if violation == Some(InvalidCloseReason) => their_end == End::Protocol,
        _ => false,
    }
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte();
    let stream = input.rest();
    let (our_said, our_end, violation) = ours(how, stream);
    let (mut their_said, their_end) = theirs(stream);
    // It takes lengths in more bytes than they need, and reads on (RFC 6455 §5.2 forbids them); in
    // a control frame such a length is for us too long before its bytes have come (§5.5).
    // A Close with a code that is not allowed is a Close to it, answered with 1002.
    use Violation::{ControlTooLong, InvalidCloseCode, NonMinimalLength};
    if matches!(violation, Some(NonMinimalLength | ControlTooLong | InvalidCloseCode)) {
        assert!(their_said.starts_with(&our_said), "{our_said:?}\n{their_said:?}");
        return;
    }
    // We may have failed inside a frame that tungstenite never got to see whole.
    their_said.truncate(if our_end == End::Exhausted { usize::MAX } else { our_said.len() });
    assert_eq!(our_said, their_said, "{our_end:?} {their_end:?}");
    let same = our_end == their_end || may_differ(violation, our_end, their_end);
    assert!(same, "{violation:?}: we end with {our_end:?}, tungstenite with {their_end:?}");
});
