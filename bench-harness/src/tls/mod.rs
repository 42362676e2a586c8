//! TLS 1.3 (RFC 8446) as a client, over a transport of the caller's.
//!
//! One cipher suite and one group are offered, so that all servers do the same work:
//! TLS_AES_128_GCM_SHA256 and X25519. The server's certificate is not verified: what it costs to
//! verify is no business of a server's. Nothing is resumed.

mod certificate;
mod session;
mod trust;

pub use certificate::Certificate;
pub use session::{Blocking, Session};

use crate::error::{Error, Result};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::Arc;

/// What all sessions of a load share.
pub fn client() -> Result<Arc<ClientConfig>> {
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Error::Usage(format!("TLS: {error}")))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(trust::Anyone))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}
