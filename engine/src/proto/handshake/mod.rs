//! The server's half of the opening handshake, RFC 6455 §4.2: a request, and the two answers to it.

pub(in crate::proto) mod field;
pub(in crate::proto) mod refusal;
pub(in crate::proto) mod request;
pub(in crate::proto) mod response;

pub use field::InvalidHeader;
pub use refusal::Refusal;
pub use request::{HEADERS_MAX, Request};
pub use response::Response;
