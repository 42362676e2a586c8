//! A client's settings.

use super::alpn::ALPN;
use super::error::Error;
use super::identity::Identity;
use super::pem::Pem;
use super::pem::system_roots;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature,
    verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Servers whose tickets a client keeps, to resume.
const RESUMED_MAX: usize = 256;

/// Looks at a server's certificate (DER) once it has been verified: `false` refuses it. To accept
/// only a certain one. Called on reactors' threads.
pub type Verify = Arc<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// What a client is made from.
#[derive(Clone, Default)]
pub struct ClientSettings {
    /// Who must have issued the server's certificate; `None`: whom the system trusts.
    pub roots: Option<Pem>,
    /// The server's own certificate, or one of several: exactly this is accepted, whoever has
    /// issued it, for whatever name and time, and whatever it says of itself. Not together with
    /// `roots`.
    pub pinned: Option<Pem>,
    /// Shown to servers that ask for one.
    pub identity: Option<Identity>,
    /// Has the last word on the server's certificate.
    pub verify: Option<Verify>,
    /// Refuse TLS 1.2.
    pub only_1_3: bool,
}

/// The client's side of TLS; a clone is the same. Shared by all reactors.
#[derive(Clone)]
pub struct Client(Arc<RwLock<Arc<ClientConfig>>>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("tls::Client")
    }
}

impl Client {
    /// The default settings: whom the system trusts. Read once in the life of the process.
    ///
    /// # Errors
    /// [`Error::SystemRoots`].
    pub fn system() -> Result<Self, Error> {
        static SYSTEM: Mutex<Option<Client>> = Mutex::new(None);
        let mut system = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
        if system.is_none() {
            *system = Some(Self::new(&ClientSettings::default())?);
        }
        system.clone().ok_or_else(|| Error::SystemRoots("none found".into()))
    }

    /// Reads and checks the settings.
    ///
    /// # Errors
    /// The first thing in them that cannot be used.
    pub fn new(settings: &ClientSettings) -> Result<Self, Error> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(build(settings)?)))))
    }

    /// The same for handshakes from now on; open connections stay as they are.
    ///
    /// # Errors
    /// As [`Client::new`]; then nothing has changed.
    pub fn reload(&self, settings: &ClientSettings) -> Result<(), Error> {
        let config = Arc::new(build(settings)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// For what is no HTTP, and so has no word for itself (ALPN).
    #[cfg(feature = "nats")]
    pub(crate) fn without_alpn(&self) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.current());
        config.alpn_protocols.clear();
        Arc::new(config)
    }

    pub(super) fn current(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn build(settings: &ClientSettings) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let trust = Trust::new(settings, &provider)?;
    let versions = if settings.only_1_3 { &[&TLS13][..] } else { &[&TLS13, &TLS12] };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| Error::Other(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            trust,
            algorithms: provider.signature_verification_algorithms,
            verify: settings.verify.clone(),
        }));
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            // What does not fit together is found here, with a text.
            identity.load(&provider)?;
            builder
                .with_client_auth_cert(identity.chain.certificates()?, identity.key.key()?)
                .map_err(|error| Error::BadKey {
                    what: identity.key.name(),
                    why: error.to_string(),
                })?
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::in_memory_sessions(RESUMED_MAX);
    Ok(config)
}

/// Which certificates are accepted.
#[derive(Debug)]
enum Trust {
    /// Those that lead to a root, are valid now, and have the server's name.
    Issued(Arc<WebPkiServerVerifier>),
    /// Those that are equal to one of these.
    Pinned(Vec<CertificateDer<'static>>),
}

impl Trust {
    fn new(settings: &ClientSettings, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let roots = match (&settings.pinned, &settings.roots) {
            (Some(_), Some(_)) => {
                let text = "a certificate is pinned, so that no roots are asked: give one of both";
                return Err(Error::Other(text.into()));
            }
            (Some(pem), None) => return Ok(Self::Pinned(pem.end_entities()?)),
            (None, Some(pem)) => pem.roots()?,
            (None, None) => system_roots()?,
        };
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map(Self::Issued)
            .map_err(|error| Error::Other(error.to_string()))
    }
}

/// Our trust, then the application's. That the server has the certificate's key is seen by its
/// signature, in either case.
struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
    verify: Option<Verify>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("trust", &self.trust).finish()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.trust {
            Trust::Issued(roots) => {
                roots.verify_server_cert(end_entity, intermediates, name, ocsp, now)?;
            }
            Trust::Pinned(pinned) if pinned.contains(end_entity) => {}
            Trust::Pinned(_) => {
                return Err(CertificateError::Other(OtherError(Arc::new(NotPinned))).into());
            }
        }
        if self.verify.as_ref().is_some_and(|verify| !verify(end_entity)) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Why a certificate is refused.
#[derive(thiserror::Error)]
#[error("not the certificate that is pinned")]
struct NotPinned;

impl std::fmt::Debug for NotPinned {
    /// Where rustls says why, it says it so.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
