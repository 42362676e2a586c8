//! Floor 1: TLS without I/O. [`Session`] makes plaintext of received bytes where they lie, and
//! records of what is to be sent; who moves the bytes is the reactor's affair. [`Server`] and
//! [`Client`] are the settings that sessions are made from; they can be replaced while connections
//! live.
//!
//! Versions 1.3 and 1.2 of the protocol, by rustls; its cryptography by aws-lc. ALPN is
//! `http/1.1`, what RFC 6455 runs on: a peer that offers others only is refused. No early data: it
//! can be replayed, and a WebSocket has no request that would be safe to repeat.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

#[cfg(feature = "tls")]
mod alpn;
#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
mod error;
#[cfg(feature = "tls")]
mod identity;
#[cfg(feature = "tls")]
mod pem;
#[cfg(feature = "tls")]
mod record;
#[cfg(feature = "tls")]
mod seal;
#[cfg(feature = "tls")]
mod server;
#[cfg(feature = "tls")]
mod session;

#[cfg(feature = "tls")]
pub use client::{Client, ClientSettings, Verify};
#[cfg(feature = "tls")]
pub use error::{Alert, Error};
#[cfg(feature = "tls")]
pub use identity::Identity;
#[cfg(feature = "tls")]
pub use pem::Pem;
#[cfg(feature = "tls")]
pub use server::{ClientCertificate, Server, ServerSettings};
#[cfg(feature = "tls")]
pub use session::Session;

/// Nothing: this build has no TLS.
#[cfg(not(feature = "tls"))]
#[derive(Clone, Debug)]
pub enum Server {}

/// Nothing: this build has no TLS.
#[cfg(not(feature = "tls"))]
#[derive(Clone, Debug)]
pub enum Client {}
