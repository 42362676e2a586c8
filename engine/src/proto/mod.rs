//! Floor 0: RFC 6455 on bytes. No I/O, no clock, no thread, no random source.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod answer;
pub mod ask;
mod base64;
pub(crate) mod body;
pub mod close;
pub mod close_code;
pub mod deflate;
mod field;
mod fields;
pub mod handshake;
pub mod head;
pub mod header;
pub mod input;
pub mod mask;
pub mod opcode;
pub mod origin;
pub mod proxy;
pub mod query;
pub mod reader;
pub mod role;
pub mod routes;
pub mod sequence;
mod target;
pub mod tunnel;
pub mod url;
pub mod utf8;
pub mod violation;

pub use answer::{Answer, BadAnswer};
pub use ask::Ask;
pub use close_code::CloseCode;
pub use header::Header;
pub use input::Input;
pub use opcode::Opcode;
pub use origin::Origins;
pub use reader::{Boundary, FrameReader, Piece, WholeFrame};
pub use role::Role;
pub use routes::{InvalidRoute, Routes};
pub use tunnel::Proxy;
pub use url::{InvalidUrl, Url};
pub use violation::{VIOLATIONS, Violation};
