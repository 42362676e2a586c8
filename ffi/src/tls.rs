//! `rws_tls`: certificates, keys and whom to trust, for endpoints and for connections we make.

use crate::guard::{guard, report};
use crate::own;
use crate::sized::{self, Sized};
use crate::status::{Failure, rws_error, rws_status};
use crate::tsan::{self, Place};
use crate::types::{rws_bytes, rws_tls};
use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;

#[cfg(feature = "tls")]
mod made;
#[cfg(not(feature = "tls"))]
#[path = "tls/absent.rs"]
mod made;

pub(crate) use made::Tls;

/// a certificate chain and its private key, in PEM: from memory, or else from files
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_identity {
    /// the end entity's certificate first
    pub cert_chain_pem: rws_bytes,
    /// not encrypted
    pub key_pem: rws_bytes,
    /// read now, if cert_chain_pem is empty
    pub cert_file: *const c_char,
    /// read now, if key_pem is empty
    pub key_file: *const c_char,
}

/// one side of TLS; NULL: all defaults
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_tls_config {
    /// RWS_INIT
    pub size: u32,
    /// RWS_TLS_*
    pub flags: u32,
    /// copied. A server shows the one whose certificate has the name that is asked for, exact
    /// ones before wildcards, or else the first; a client has at most one
    pub identities: *const rws_identity,
    /// how many
    pub identities_len: usize,
    /// Who must have issued the peer's certificate. By default a client trusts whom the system
    /// trusts; a server that asks for certificates needs some: RWS_E_INVALID. A server's
    /// certificate must also have its name among the alternative ones (not only as CN), be valid
    /// now, and be no CA itself: plain openssl req -x509 makes one that is: pin that.
    pub roots_pem: rws_bytes,
    /// read now, if roots_pem is empty
    pub roots_file: *const c_char,
    /// client: asked, on reactors' threads, about a server's certificate that is valid or
    /// pinned; 0 refuses it. Not asked when a session is resumed. What it uses must live as long
    /// as the rws_tls and the engines that have been given it, also after a reload
    pub verify:
        Option<unsafe extern "C" fn(certificate_der: rws_bytes, user: *mut c_void) -> c_int>,
    /// handed to verify
    pub user: *mut c_void,
    /// client: the server's own certificate, or several: exactly these are accepted, whoever
    /// issued them, for whatever name and time; a self-signed one of openssl req -x509, say. Not
    /// with roots
    pub pinned_pem: rws_bytes,
    /// read now, if pinned_pem is empty
    pub pinned_file: *const c_char,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_tls_config {
    const SIZE_MIN: usize = offset_of!(rws_tls_config, identities);
}

const EMPTY: rws_tls_config = rws_tls_config {
    size: 0,
    flags: 0,
    identities: std::ptr::null(),
    identities_len: 0,
    roots_pem: rws_bytes::ABSENT,
    roots_file: std::ptr::null(),
    verify: None,
    user: std::ptr::null_mut(),
    pinned_pem: rws_bytes::ABSENT,
    pinned_file: std::ptr::null(),
};

/// Which side of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// Makes one and hands it out.
///
/// # Safety
/// `config` is null or as its `size` says, with pointers that are null or name what they say;
/// `out` and `err` are null or valid for a write.
unsafe fn make(
    side: Side,
    config: *const rws_tls_config,
    out: *mut *mut rws_tls,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        if out.is_null() {
            return Err(Failure::invalid("no place for the result"));
        }
        // SAFETY: as the caller says.
        let tls = unsafe { Tls::new(side, &config_of(config)?) }?;
        // SAFETY: not null.
        unsafe { own::write(out, own::share(tls)) };
        Ok(())
    };
    // SAFETY: null or valid for a write.
    unsafe { report(err, body) }
}

/// # Safety
/// As for [`sized::read`], or null.
unsafe fn config_of(config: *const rws_tls_config) -> Result<rws_tls_config, Failure> {
    if config.is_null() {
        return Ok(EMPTY);
    }
    // SAFETY: as the caller says.
    Ok(unsafe { sized::read(config) }?)
}

/// A server with one certificate, from memory.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_tls_server(
    cert_chain_pem: rws_bytes,
    key_pem: rws_bytes,
    out: *mut *mut rws_tls,
    err: *mut rws_error,
) -> rws_status {
    let (cert_file, key_file) = (std::ptr::null(), std::ptr::null());
    let identity = rws_identity { cert_chain_pem, key_pem, cert_file, key_file };
    let size = size_of::<rws_tls_config>() as u32;
    let config =
        rws_tls_config { size, identities: &raw const identity, identities_len: 1, ..EMPTY };
    // SAFETY: the config is ours, the rest as the header says.
    unsafe { make(Side::Server, &raw const config, out, err) }
}

/// A client that trusts those roots, or if there are none, those that the system trusts.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_tls_client(
    roots_pem: rws_bytes,
    out: *mut *mut rws_tls,
    err: *mut rws_error,
) -> rws_status {
    let size = size_of::<rws_tls_config>() as u32;
    let config = rws_tls_config { size, roots_pem, ..EMPTY };
    // SAFETY: the config is ours, the rest as the header says.
    unsafe { make(Side::Client, &raw const config, out, err) }
}

/// A client that accepts exactly this certificate of a server, self-signed or not, whatever its
/// name is. RWS_E_INVALID: not a certificate in PEM.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_tls_client_pinned(
    pinned_pem: rws_bytes,
    out: *mut *mut rws_tls,
    err: *mut rws_error,
) -> rws_status {
    let size = size_of::<rws_tls_config>() as u32;
    // Without one it would be a client that trusts the system's roots.
    if pinned_pem.len == 0 {
        let body = || Err(Failure::invalid("no certificate to pin"));
        // SAFETY: null or valid for a write.
        return unsafe { report(err, body) };
    }
    let config = rws_tls_config { size, pinned_pem, ..EMPTY };
    // SAFETY: the config is ours, the rest as the header says.
    unsafe { make(Side::Client, &raw const config, out, err) }
}

/// For endpoints. err says what is wrong with which certificate or key.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_tls_server_new(
    config: *const rws_tls_config,
    out: *mut *mut rws_tls,
    err: *mut rws_error,
) -> rws_status {
    // SAFETY: as the header says.
    unsafe { make(Side::Server, config, out, err) }
}

/// For connections that we make.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_tls_client_new(
    config: *const rws_tls_config,
    out: *mut *mut rws_tls,
    err: *mut rws_error,
) -> rws_status {
    // SAFETY: as the header says.
    unsafe { make(Side::Client, config, out, err) }
}

/// Handshakes from now on use config, and nothing of the one before; sessions from before are not
/// resumed; open connections stay. On failure nothing has changed.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_tls_reload(
    t: *mut rws_tls,
    config: *const rws_tls_config,
    err: *mut rws_error,
) -> rws_status {
    tsan::release(Place::Tls);
    // SAFETY: a live reference or null; a struct as its size says or null; as the header says.
    let body = || unsafe { own::borrow(t)?.reload(&config_of(config)?) };
    // SAFETY: null or valid for a write.
    unsafe { report(err, body) }
}

/// One reference more; returns t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_tls_retain(t: *mut rws_tls) -> *mut rws_tls {
    // SAFETY: null or a live reference of the caller's.
    guard(|| unsafe { own::retain(t) })
}

/// One reference less; NULL is fine. Endpoints and targets keep their own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_tls_release(t: *mut rws_tls) {
    // SAFETY: null or a live reference that the caller gives up.
    guard(|| unsafe { own::release(t) })
}
