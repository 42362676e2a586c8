//! A server's settings.

use super::alpn::ALPN;
use super::error::Error;
use super::identity::Chooser;
use super::identity::Identity;
use super::pem::Pem;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use rustls::version::{TLS12, TLS13};
use std::sync::{Arc, PoisonError, RwLock};

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientCertificate {
    /// They are not asked for one.
    #[default]
    NotAsked,
    /// They are asked; one that is shown must be valid.
    Optional,
    /// Without a valid one the handshake fails.
    Required,
}

/// What a server is made from.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// Which one a client is shown is chosen by the name that it asks for and those in the
    /// certificates, exact ones before wildcards; the first is for everyone else.
    pub identities: Vec<Identity>,
    /// Whether clients must show a certificate.
    pub client_certificate: ClientCertificate,
    /// Who must have issued it.
    pub roots: Option<Pem>,
    /// Refuse TLS 1.2.
    pub only_1_3: bool,
}

/// The server's side of TLS; a clone is the same. Shared by all reactors.
#[derive(Clone)]
pub struct Server(Arc<RwLock<Arc<ServerConfig>>>);

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("tls::Server")
    }
}

impl Server {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// The first thing in them that cannot be used.
    pub fn new(settings: &ServerSettings) -> Result<Self, Error> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(build(settings)?)))))
    }

    /// The same for handshakes from now on; open connections stay as they are. Tickets that were
    /// issued before are not taken any more: they speak for whom the old settings let in.
    ///
    /// # Errors
    /// As [`Server::new`]; then nothing has changed.
    pub fn reload(&self, settings: &ServerSettings) -> Result<(), Error> {
        let config = Arc::new(build(settings)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn build(settings: &ServerSettings) -> Result<ServerConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let other = |error: rustls::Error| Error::Other(error.to_string());
    let versions = if settings.only_1_3 { &[&TLS13][..] } else { &[&TLS13, &TLS12] };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(other)?;
    let builder = match settings.client_certificate {
        ClientCertificate::NotAsked => builder.with_no_client_auth(),
        asked => {
            let roots = Arc::new(settings.roots.as_ref().ok_or(Error::NoRoots)?.roots()?);
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
            let verifier = match asked {
                ClientCertificate::Optional => verifier.allow_unauthenticated(),
                _ => verifier,
            };
            let verifier = verifier.build().map_err(|error| Error::Other(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(chooser(settings, &provider)?));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Tickets hold the state of a session, encrypted for ourselves under keys that are replaced
    // every six hours (RFC 5077 §4): the server remembers nothing.
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(other)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn chooser(settings: &ServerSettings, provider: &CryptoProvider) -> Result<Chooser, Error> {
    let load = |identity: &Identity| Ok((identity.load(provider)?, identity.chain.name()));
    let loaded: Result<_, Error> = settings.identities.iter().map(load).collect();
    Chooser::new(loaded?)
}
