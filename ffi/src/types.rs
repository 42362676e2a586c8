//! Values that cross the boundary as they are: handles, borrowed bytes, opaque names.

use crate::own::{Boxed, Lent, Opaque, Shared};
use crate::request::Visit;
use crate::status::rws_status;
use crate::tls::Tls;
use crate::upgrade::Asked;
use ringws_engine::engine::Engine;
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::Answer;
use ringws_engine::reactor::{Conn, Context, DialId, Timer};
use std::ffi::{CStr, c_char, c_void};

macro_rules! opaque {
    ($name:ident, $rust:ty, $kind:ty) => {
        impl Opaque for $name {
            type Rust = $rust;
            type Kind = $kind;
        }
    };
}

/// N reactors: one thread and one ring each
pub struct rws_engine {
    _private: [u8; 0],
}
opaque!(rws_engine, Engine, Boxed);

/// the reactor of the thread you are called on; lent
pub struct rws_reactor {
    _private: [u8; 0],
}
opaque!(rws_reactor, Context, Lent);

/// an HTTP upgrade in progress; lent to on_upgrade
pub struct rws_upgrade {
    _private: [u8; 0],
}
// Their true lifetimes are that of the callback, as the lender's contract says.
opaque!(rws_upgrade, Asked<'static, 'static>, Lent);

/// an HTTP request; lent to on_request, and that of an upgrade to on_upgrade and on_origin
pub struct rws_request {
    _private: [u8; 0],
}
opaque!(rws_request, Visit<'static>, Lent);

/// the answer of a server that has refused; lent to on_refused
pub struct rws_answer {
    _private: [u8; 0],
}
opaque!(rws_answer, Answer<'static>, Lent);

/// an immutable outgoing message, framed once; refcounted
pub struct rws_buf {
    _private: [u8; 0],
}
opaque!(rws_buf, Outgoing, Shared);

/// one side of TLS: certificates, keys, whom to trust; refcounted
pub struct rws_tls {
    _private: [u8; 0],
}
opaque!(rws_tls, Tls, Shared);

/// a connection, to keep as long as you like: 0 is none, no other ever gets its number
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct rws_conn {
    /// to compare and to print
    pub id: u64,
}

impl From<Conn> for rws_conn {
    fn from(conn: Conn) -> Self {
        Self { id: conn.to_bits() }
    }
}

impl From<rws_conn> for Conn {
    fn from(conn: rws_conn) -> Self {
        Self::from_bits(conn.id)
    }
}

/// a timer of one reactor; 0 is never one
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct rws_timer {
    /// to compare and to print
    pub id: u64,
}

impl From<Timer> for rws_timer {
    fn from(timer: Timer) -> Self {
        Self { id: timer.to_bits() }
    }
}

/// what rws_engine_connect was asked for; 0 is never one
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct rws_dial {
    /// to compare and to print
    pub id: u64,
}

impl From<DialId> for rws_dial {
    fn from(dial: DialId) -> Self {
        Self { id: dial.to_bits() }
    }
}

impl From<rws_dial> for DialId {
    fn from(dial: rws_dial) -> Self {
        Self::from_bits(dial.id)
    }
}

/// borrowed bytes; not NUL-terminated
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_bytes {
    /// NULL only when len is 0
    pub data: *const u8,
    /// bytes
    pub len: usize,
}

impl rws_bytes {
    /// What is not there.
    pub(crate) const ABSENT: Self = Self { data: std::ptr::null(), len: 0 };

    /// The bytes that C was lent.
    ///
    /// # Safety
    /// `data` is null or valid for reads of `len` bytes, unchanged for as long as the result is
    /// used.
    pub(crate) unsafe fn as_slice<'a>(self) -> Result<&'a [u8], rws_status> {
        // SAFETY: `slice` asks for no more than the caller has promised of `data` and `len`.
        unsafe { slice(self.data.cast(), self.len) }
    }
}

impl From<&[u8]> for rws_bytes {
    fn from(bytes: &[u8]) -> Self {
        Self { data: bytes.as_ptr(), len: bytes.len() }
    }
}

/// The bytes that C points at; `RWS_E_INVALID` for null with a length.
///
/// # Safety
/// `data` is null or valid for reads of `len` bytes, unchanged for as long as the result is used.
pub(crate) unsafe fn slice<'a>(data: *const c_void, len: usize) -> Result<&'a [u8], rws_status> {
    match (data.is_null(), len) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(rws_status::RWS_E_INVALID),
        (false, _) if len > isize::MAX as usize => Err(rws_status::RWS_E_INVALID),
        // SAFETY: not null and no longer than an object can be, as was just seen; valid for reads
        // of `len` bytes that nobody changes, as the caller has promised. Bytes have no alignment.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) }),
    }
}

/// The text of a C string; `RWS_E_INVALID` for null or what is not UTF-8.
///
/// # Safety
/// `text` is null or NUL-terminated, unchanged for as long as the result is used.
pub(crate) unsafe fn string<'a>(text: *const c_char) -> Result<&'a str, rws_status> {
    if text.is_null() {
        return Err(rws_status::RWS_E_INVALID);
    }
    // SAFETY: not null, as was just seen; the caller has promised that it is NUL-terminated and
    // stays as it is.
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| rws_status::RWS_E_INVALID)
}

/// The same; `None` for null.
///
/// # Safety
/// `text` is null or NUL-terminated, unchanged for as long as the result is used.
pub(crate) unsafe fn optional<'a>(text: *const c_char) -> Result<Option<&'a str>, rws_status> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller says.
    unsafe { string(text) }.map(Some)
}

/// A pointer of the application's that travels with the engine. What it points at, and from which
/// threads, is the application's business.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User(pub(crate) *mut c_void);

// SAFETY: the engine never follows it; it only hands it back to the application.
unsafe impl Send for User {}
// SAFETY: a shared one can only be copied: nothing is read or written through it here.
unsafe impl Sync for User {}

impl User {
    /// As the engine keeps it.
    pub(crate) fn to_word(self) -> usize {
        self.0.expose_provenance()
    }

    /// As the application gave it.
    pub(crate) fn from_word(word: usize) -> *mut c_void {
        std::ptr::with_exposed_provenance_mut(word)
    }
}
