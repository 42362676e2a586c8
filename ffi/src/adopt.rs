//! `rws_adopt`: connections that the host has accepted itself.

use crate::constants::{RWS_ADOPT_REACTOR, RWS_ADOPT_UPGRADED};
use crate::guard::report;
use crate::own;
use crate::sized::{self, Sized};
use crate::status::{Failure, rws_error, rws_status};
use crate::timer::job;
use crate::tsan;
use crate::types::{User, rws_bytes, rws_engine, rws_reactor};
use ringws_engine::reactor::{Adopt, AdoptError};
use ringws_engine::ring::BadSocket;
use std::ffi::c_void;
use std::mem::offset_of;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

/// a connection that was accepted elsewhere, to be served by an endpoint
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_adopt {
    /// RWS_INIT
    pub size: u32,
    /// A connected TCP or Unix stream socket, blocking or not. With RWS_OK it is the engine's,
    /// which closes it: do not use the number again, and close what you have duplicated of it, for
    /// those keep the connection. Otherwise it is yours, as it was
    pub fd: i32,
    /// Whose it is: 0 for the first rws_engine_listen of this engine that has succeeded, 1 for
    /// the second, ... Its callbacks, options, origins, routes, TLS and limits of an address apply
    pub endpoint: u32,
    /// RWS_ADOPT_*
    pub flags: u32,
    /// its number, with RWS_ADOPT_REACTOR; otherwise 0
    pub reactor: u32,
    /// 0
    pub reserved: u32,
    /// Copied: what you have read of it and not used, at most 1 MiB; it is taken before what the
    /// socket brings. Of a connection that was not upgraded from the first byte of its request on,
    /// or of its TLS; of an upgraded one what came behind the head of the request
    pub early: rws_bytes,
    /// in the place of the user pointer of its endpoint and of its routes; NULL: those
    pub user: *mut c_void,
    /// Called once, on its reactor, if it ends before it is open, by whatever: the peer goes, its
    /// request is refused or late, a limit of its address, a stop. Then on_open does not follow,
    /// and `user` (the one above) is yours again; if it is open on_close says so. NULL: not told
    pub on_unopened: Option<unsafe extern "C" fn(r: *mut rws_reactor, user: *mut c_void)>,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_adopt {
    const SIZE_MIN: usize = offset_of!(rws_adopt, early);
}

impl rws_adopt {
    /// The engine's view of it, which must not be dropped with its socket unless that was taken.
    ///
    /// # Safety
    /// `from` is null or names an `rws_adopt` as its `size` says, whose bytes are there.
    unsafe fn read(from: *const Self) -> Result<Adopt, Failure> {
        // SAFETY: as the caller says.
        let given = unsafe { sized::read(from) }?;
        if given.flags & !(RWS_ADOPT_REACTOR | RWS_ADOPT_UPGRADED) != 0 || given.reserved != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED.into());
        }
        let chosen = given.flags & RWS_ADOPT_REACTOR != 0;
        if !chosen && given.reactor != 0 {
            return Err(Failure::invalid("a reactor without RWS_ADOPT_REACTOR"));
        }
        if given.fd < 0 {
            return Err(Failure::invalid("no descriptor"));
        }
        // SAFETY: the caller's bytes.
        let early = unsafe { given.early.as_slice() }?.into();
        let unopened = given.on_unopened.map(|call| job(Some(call), given.user)).transpose()?;
        // SAFETY: not negative. If it is not open, or not the caller's, the engine says so, and it
        // goes back as a number: nothing is closed.
        let socket = unsafe { OwnedFd::from_raw_fd(given.fd) };
        Ok(Adopt {
            reactor: chosen.then_some(given.reactor),
            early,
            upgraded: given.flags & RWS_ADOPT_UPGRADED != 0,
            user: (!given.user.is_null()).then(|| User(given.user).to_word()),
            unopened,
            ..Adopt::new(socket, given.endpoint)
        })
    }
}

impl From<AdoptError> for Failure {
    fn from(error: AdoptError) -> Self {
        let (status, errno) = match error {
            AdoptError::Socket(BadSocket::NotConnected) => (rws_status::RWS_E_GONE, 0),
            AdoptError::Socket(BadSocket::System(errno)) => {
                (rws_status::RWS_E_SYSTEM, errno.raw_os_error())
            }
            AdoptError::TooMuch => (rws_status::RWS_E_TOO_BIG, 0),
            AdoptError::Full => (rws_status::RWS_E_FULL, 0),
            AdoptError::Call(error) => (error.into(), 0),
            _ => (rws_status::RWS_E_INVALID, 0),
        };
        Self::new(status, errno, error.to_string())
    }
}

/// Hands over a connection that you have accepted, after the start; any thread, in callbacks too.
/// RWS_OK: it counts as accepted (and in `adopted`), and the descriptor is the engine's: either
/// on_open follows, and on_close, or on_unopened. Anything else: it is yours, nothing was done to
/// it, nothing follows, and *err says why. RWS_E_INVALID: no such endpoint or reactor; no stream
/// socket of TCP or Unix, or one that listens; RWS_ADOPT_UPGRADED where the endpoint has TLS.
/// RWS_E_GONE: it is not connected, most likely because the peer has reset it. RWS_E_TOO_BIG:
/// early. RWS_E_FULL: the reactor has connections_max, or too much waits for it (without
/// RWS_ADOPT_REACTOR: all have): answer it yourself, or try again. RWS_E_STATE: before the start,
/// in a drain or a stop, or the reactor is not attached.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_engine_adopt(
    e: *mut rws_engine,
    a: *const rws_adopt,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        tsan::hand_over(e, None);
        // SAFETY: a live engine and a struct as its size says, or null.
        let (engine, adopt) = unsafe { (own::borrow(e)?, rws_adopt::read(a)?) };
        engine.adopt(adopt).map_err(|refused| {
            // The caller's again: not closed.
            let _ = refused.adopt.socket.into_raw_fd();
            refused.why.into()
        })
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}
