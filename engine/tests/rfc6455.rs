//! RFC 6455, clause by clause, on bytes alone.

#[path = "rfc6455/close.rs"]
mod close;
#[path = "rfc6455/frames.rs"]
mod frames;
#[path = "rfc6455/handshake.rs"]
mod handshake;
#[path = "rfc6455/refusals.rs"]
mod refusals;
#[path = "rfc6455/sequence.rs"]
mod sequence;
#[path = "rfc6455/text.rs"]
mod text;
