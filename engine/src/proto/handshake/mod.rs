//! The server's half of the opening handshake, RFC 6455 §4.2: a request, and the answers to it. And
//! HTTP beside it: requests that are no upgrade.

mod check;
pub(in crate::proto) mod field;
pub(in crate::proto) mod refusal;
pub(in crate::proto) mod reply;
pub(in crate::proto) mod request;
pub(in crate::proto) mod response;

pub use field::InvalidHeader;
pub use refusal::Refusal;
pub use reply::{Reply, Wants};
pub use request::{HEADERS_MAX, Request};
pub use response::Response;
