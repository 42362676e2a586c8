//! TLS on the real kernel, over loopback, against rustls and openssl.

#[path = "tls/adopted.rs"]
mod adopted;
#[path = "tls/certs.rs"]
mod certs;
#[path = "tls/client.rs"]
mod client;
#[path = "tls/echo.rs"]
mod echo;
#[path = "tls/handshake.rs"]
mod handshake;
#[path = "tls/http.rs"]
mod http;
#[path = "tls/last_words.rs"]
mod last_words;
#[path = "tls/later.rs"]
mod later;
#[path = "tls/moved.rs"]
mod moved;
#[path = "tls/openssl.rs"]
mod openssl;
#[path = "tls/pair.rs"]
mod pair;
#[path = "tls/peer.rs"]
mod peer;
#[path = "tls/proxied.rs"]
mod proxied;
#[path = "support/service.rs"]
mod running;
#[path = "tls/service.rs"]
mod service;
#[path = "tls/slow.rs"]
mod slow;
#[path = "tls/unbuffered.rs"]
mod unbuffered;
#[path = "tls/wire.rs"]
mod wire;
