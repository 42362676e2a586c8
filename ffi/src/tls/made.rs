//! What an `rws_tls` is.

use super::{Side, rws_identity, rws_tls_config};
use crate::constants::{RWS_TLS_CLIENT_CERT, RWS_TLS_CLIENT_CERT_REQUIRED, RWS_TLS_ONLY_1_3};
use crate::status::{Failure, rws_status};
use crate::tsan::{self, Place};
use crate::types::{User, rws_bytes, string};
use ringws_engine::tls::{
    Client, ClientCertificate, ClientSettings, Error, Identity, Pem, Server, ServerSettings, Verify,
};
use std::ffi::c_char;
use std::sync::Arc;

/// One side of TLS.
#[derive(Debug)]
pub(crate) enum Tls {
    Server(Server),
    Client(Client),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (status, errno) = match &error {
            Error::File { errno, .. } => (rws_status::RWS_E_SYSTEM, *errno),
            _ => (rws_status::RWS_E_INVALID, 0),
        };
        Self::new(status, errno, error.to_string())
    }
}

impl Tls {
    /// One side.
    ///
    /// # Safety
    /// The pointers of `config` are null or name what they say.
    pub(crate) unsafe fn new(side: Side, config: &rws_tls_config) -> Result<Self, Failure> {
        Ok(match side {
            // SAFETY: as the caller says.
            Side::Server => Self::Server(Server::new(&unsafe { server(config) }?)?),
            // SAFETY: as the caller says.
            Side::Client => Self::Client(Client::new(&unsafe { client(config) }?)?),
        })
    }

    /// The same with other settings.
    ///
    /// # Safety
    /// The pointers of `config` are null or name what they say.
    pub(crate) unsafe fn reload(&self, config: &rws_tls_config) -> Result<(), Failure> {
        match self {
            // SAFETY: as the caller says.
            Self::Server(tls) => tls.reload(&unsafe { server(config) }?)?,
            // SAFETY: as the caller says.
            Self::Client(tls) => tls.reload(&unsafe { client(config) }?)?,
        }
        Ok(())
    }

    /// For a target.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        match self {
            Self::Client(tls) => Ok(tls.clone()),
            Self::Server(_) => Err(Failure::invalid("tls: a target needs a client's")),
        }
    }

    /// For an endpoint.
    pub(crate) fn server(&self) -> Result<Server, Failure> {
        match self {
            Self::Server(tls) => Ok(tls.clone()),
            Self::Client(_) => Err(Failure::invalid("tls: an endpoint needs a server's")),
        }
    }
}

/// # Safety
/// The pointers of `config` are null or name what they say.
unsafe fn server(config: &rws_tls_config) -> Result<ServerSettings, Failure> {
    let known = RWS_TLS_CLIENT_CERT | RWS_TLS_CLIENT_CERT_REQUIRED | RWS_TLS_ONLY_1_3;
    if config.flags & !known != 0 {
        return Err(rws_status::RWS_E_UNSUPPORTED.into());
    }
    if config.verify.is_some() {
        return Err(Failure::invalid("verify is for clients"));
    }
    if config.pinned_pem.len > 0 || !config.pinned_file.is_null() {
        return Err(Failure::invalid("pinned is for clients"));
    }
    let client_certificate = if config.flags & RWS_TLS_CLIENT_CERT_REQUIRED != 0 {
        ClientCertificate::Required
    } else if config.flags & RWS_TLS_CLIENT_CERT != 0 {
        ClientCertificate::Optional
    } else {
        ClientCertificate::NotAsked
    };
    // SAFETY: as the caller says.
    let (identities, roots) = unsafe { (identities(config)?, roots(config)?) };
    let only_1_3 = config.flags & RWS_TLS_ONLY_1_3 != 0;
    Ok(ServerSettings { identities, client_certificate, roots, only_1_3 })
}

/// # Safety
/// The pointers of `config` are null or name what they say.
unsafe fn client(config: &rws_tls_config) -> Result<ClientSettings, Failure> {
    if config.flags & !RWS_TLS_ONLY_1_3 != 0 {
        return Err(Failure::invalid("flags: of a client only RWS_TLS_ONLY_1_3"));
    }
    // SAFETY: as the caller says.
    let (mut identities, roots) = unsafe { (identities(config)?, roots(config)?) };
    if identities.len() > 1 {
        return Err(Error::ManyIdentities.into());
    }
    let user = User(config.user);
    let verify = config.verify.map(|verify| -> Verify {
        Arc::new(move |der| {
            let user = user;
            tsan::acquire(Place::Tls);
            // SAFETY: the bytes are good until it returns; it must not unwind.
            tsan::outside(|| unsafe { verify(der.into(), user.0) != 0 })
        })
    });
    let only_1_3 = config.flags & RWS_TLS_ONLY_1_3 != 0;
    // SAFETY: as the caller says.
    let pinned = unsafe { pem(config.pinned_pem, config.pinned_file) }?;
    Ok(ClientSettings { roots, pinned, identity: identities.pop(), verify, only_1_3 })
}

/// # Safety
/// The pointers of `config` are null or name what they say.
unsafe fn identities(config: &rws_tls_config) -> Result<Vec<Identity>, Failure> {
    if config.identities.is_null() && config.identities_len > 0 {
        return Err(Failure::invalid("identities is NULL, identities_len is not 0"));
    }
    let one = |index| {
        // SAFETY: there are so many, as the caller says.
        let rws_identity { cert_chain_pem, key_pem, cert_file, key_file } =
            unsafe { config.identities.add(index).read() };
        // SAFETY: null or what they say.
        let (chain, key) = unsafe { (pem(cert_chain_pem, cert_file)?, pem(key_pem, key_file)?) };
        let missing = |what| Failure::invalid(format!("identity {index} has no {what}"));
        Ok(Identity {
            chain: chain.ok_or_else(|| missing("certificate"))?,
            key: key.ok_or_else(|| missing("private key"))?,
        })
    };
    (0..config.identities_len).map(one).collect()
}

/// # Safety
/// The pointers of `config` are null or name what they say.
unsafe fn roots(config: &rws_tls_config) -> Result<Option<Pem>, Failure> {
    // SAFETY: as the caller says.
    unsafe { pem(config.roots_pem, config.roots_file) }
}

/// Memory before a file.
///
/// # Safety
/// Both are null or name what they say.
unsafe fn pem(bytes: rws_bytes, file: *const c_char) -> Result<Option<Pem>, Failure> {
    // SAFETY: as the caller says.
    let bytes = unsafe { bytes.as_slice() }?;
    if !bytes.is_empty() {
        return Ok(Some(Pem::Bytes(bytes.into())));
    }
    if file.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, so NUL-terminated.
    Ok(Some(Pem::File(unsafe { string(file) }?.into())))
}
