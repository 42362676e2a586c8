//! What the handshake says of what is spoken inside.

/// The protocol that is spoken inside (RFC 7301).
pub(super) const ALPN: &[u8] = b"http/1.1";
