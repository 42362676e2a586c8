//! The other end of a connection, for tests: frames of any shape, a blocking client, and what a
//! server made by hand needs. It is a second reading of RFC 6455 that shares no code with the
//! engine, so that a mistake in one shows as a difference from the other.
//!
//! All of it panics where a test would have to: with what was expected, and what came instead.

mod client;
mod deny;
mod frame;
mod handshake;
mod process;
mod socket;

pub use client::{Client, ask};
pub use deny::{Denied, IO_URING, deny};
pub use frame::{
    BINARY, CLOSE, CONTINUATION, FIN, Frame, KEY, Length, PING, PONG, TEXT, close, frame, payload,
    read_frame, read_masked, split,
};
pub use handshake::{FIELDS, NONCE, accept, answer, field, read_head, request};
pub use process::{MIB, memory, resident};
pub use socket::{PATIENCE, Socket, free_port, once, read_to_end, reset, tcp, unix, until};
