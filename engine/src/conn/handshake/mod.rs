//! The opening handshake (RFC 6455 §4): of a server, and of a client.

pub(super) mod asked;
mod client;
pub(super) mod http;
mod requests;
mod server;
