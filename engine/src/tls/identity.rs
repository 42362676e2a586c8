//! Who we are: certificate chains with their keys, and which of them a client is shown.

use super::error::Error;
use super::pem::Pem;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// A certificate chain, the end entity's first, and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The chain.
    pub chain: Pem,
    /// The key. May be the same PEM.
    pub key: Pem,
}

impl Identity {
    /// Both from memory.
    pub fn from_pem(chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self { chain: Pem::Bytes(chain.into()), key: Pem::Bytes(key.into()) }
    }

    /// Reads and checks it.
    pub(super) fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
        let chain = self.chain.certificates()?;
        let key = provider
            .key_provider
            .load_private_key(self.key.key()?)
            .map_err(|error| Error::BadKey { what: self.key.name(), why: error.to_string() })?;
        let pair = CertifiedKey::new(chain, key);
        match pair.keys_match() {
            Ok(()) => Ok(pair),
            Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => {
                Err(Error::KeyMismatch { what: self.chain.name() })
            }
            Err(error) => {
                Err(Error::BadCertificate { what: self.chain.name(), why: error.to_string() })
            }
        }
    }
}

thread_local! {
    /// The name in the greeting that is being answered on this thread: rustls tells it only whom
    /// it asks for a certificate.
    static ASKED: RefCell<Option<Box<str>>> = const { RefCell::new(None) };
}

/// The name that the client whose greeting was just processed has asked for.
pub(super) fn take_asked() -> Option<Box<str>> {
    ASKED.take()
}

/// The identities of a server by the names in their certificates (RFC 6066 §3, RFC 9525 §6.3).
#[derive(Debug)]
pub(super) struct Chooser {
    /// For who asks for no name, or for none that we know.
    first: Arc<CertifiedKey>,
    /// In lower case; wildcards without their `*`.
    exact: HashMap<Box<str>, Arc<CertifiedKey>>,
    wild: HashMap<Box<str>, Arc<CertifiedKey>>,
}

impl Chooser {
    pub(super) fn new(identities: Vec<(CertifiedKey, String)>) -> Result<Self, Error> {
        let mut first = None;
        let (mut exact, mut wild) = (HashMap::new(), HashMap::new());
        for (pair, what) in identities {
            let pair = Arc::new(pair);
            let bad = |why: String| Error::BadCertificate { what: what.clone(), why };
            let end_entity = pair.end_entity_cert().map_err(|error| bad(error.to_string()))?;
            let parsed = webpki::EndEntityCert::try_from(end_entity)
                .map_err(|error| bad(error.to_string()))?;
            for name in parsed.valid_dns_names() {
                let name = name.to_ascii_lowercase();
                // Where two have the same name, the one that was given first has it.
                let (map, name) = match name.strip_prefix('*') {
                    Some(rest) => (&mut wild, rest),
                    None => (&mut exact, name.as_str()),
                };
                map.entry(name.into()).or_insert_with(|| Arc::clone(&pair));
            }
            first.get_or_insert(pair);
        }
        Ok(Self { first: first.ok_or(Error::NoIdentity)?, exact, wild })
    }

    fn choose(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let known = name.and_then(|name| {
            // A wildcard stands for one label.
            let wild = || name.find('.').and_then(|dot| self.wild.get(&name[dot..]));
            self.exact.get(name).or_else(wild)
        });
        Arc::clone(known.unwrap_or(&self.first))
    }
}

impl ResolvesServerCert for Chooser {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // In lower case already.
        let name = hello.server_name();
        ASKED.set(name.map(Into::into));
        Some(self.choose(name))
    }
}
