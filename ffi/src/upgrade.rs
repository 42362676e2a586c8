//! `rws_upgrade`: what on_upgrade sees of the request and decides about the answer.

use crate::address::rws_address;
use crate::engine::of_this_thread;
use crate::guard::{guard, status};
use crate::later::RWS_LATER;
use crate::own;
use crate::request::{Visit, rws_request_path};
use crate::status::rws_status;
use crate::tsan;
use crate::types::{User, rws_bytes, rws_request, rws_upgrade, string};
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::reactor::{CallError, Later, LaterError, MoveError, Upgrade};
use std::ffi::{c_char, c_int, c_void};

/// What is lent to on_upgrade.
pub(crate) struct Asked<'a, 'b> {
    upgrade: &'a mut Upgrade<'b>,
    /// The request, for the functions that take one. Apart: it is lent while `upgrade` changes.
    visit: &'a Visit<'b>,
    /// Those added, should the answer turn out to be another than 101.
    headers: Vec<(String, Vec<u8>)>,
    /// That of an answer other than 101.
    body: Option<Vec<u8>>,
}

impl<'a, 'b> Asked<'a, 'b> {
    /// Nothing decided yet.
    pub(crate) fn new(upgrade: &'a mut Upgrade<'b>, visit: &'a Visit<'b>) -> Self {
        Self { upgrade, visit, headers: Vec::new(), body: None }
    }

    /// It is answered later.
    pub(crate) fn later(&self) -> Result<Later, LaterError> {
        self.upgrade.later()
    }

    /// What on_upgrade has returned. `None`: it has left the answer for later.
    pub(crate) fn verdict(self, returned: c_int) -> Option<Result<(), Refusal>> {
        if returned == RWS_LATER && self.upgrade.is_later() {
            return None;
        }
        self.upgrade.at_once();
        Some(match returned {
            101 => Ok(()),
            status @ 300..=599 => Err(self.refuse(status as u16)),
            // Not an answer: the fault is the application's, not the peer's.
            _ => Err(self.refuse(500)),
        })
    }

    /// An answer other than 101, with the headers that were added.
    fn refuse(self, status: u16) -> Refusal {
        let mut refusal = Refusal::new(status);
        for (name, value) in self.headers {
            // The rules are those of a 101, which has taken it.
            let _ = refusal.add_header(&name, &value);
        }
        match self.body {
            Some(body) => refusal.with_body(body),
            None => refusal,
        }
    }
}

impl From<MoveError> for rws_status {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Here | MoveError::Moved | MoveError::State => Self::RWS_E_STATE,
            MoveError::Reactor => Self::RWS_E_INVALID,
            MoveError::Tls => Self::RWS_E_UNSUPPORTED,
            MoveError::Full => Self::RWS_E_FULL,
            // Not as a call that comes at the wrong time: that one may serve it here.
            MoveError::Call(CallError::Stopped) => Self::RWS_E_GONE,
            MoveError::Call(error) => error.into(),
        }
    }
}

/// The request, for rws_request_*.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_request(up: *const rws_upgrade) -> *const rws_request {
    guard(|| {
        // SAFETY: the lent upgrade or null.
        let asked = unsafe { own::borrow(up) };
        asked.map_or(std::ptr::null(), |up| std::ptr::from_ref(up.visit).cast())
    })
}

/// The request target as sent: path and query, not decoded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_target(up: *const rws_upgrade) -> rws_bytes {
    guard(|| {
        // SAFETY: the lent upgrade or null.
        let asked = unsafe { own::borrow(up) };
        asked.map_or(rws_bytes::ABSENT, |up| up.upgrade.request().target().as_bytes().into())
    })
}

/// The path, percent-decoded, without the query: as rws_request_path.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_path(up: *const rws_upgrade) -> rws_bytes {
    // SAFETY: the lent upgrade or null, whose request is lent for as long.
    unsafe { rws_request_path(rws_upgrade_request(up)) }
}

/// The first header of that name, whatever its case.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_header(
    up: *const rws_upgrade,
    name: *const c_char,
) -> rws_bytes {
    guard(|| {
        // SAFETY: the lent upgrade and a C string, or null.
        let Ok((asked, name)) = (unsafe { own::borrow(up).and_then(|up| Ok((up, string(name)?))) })
        else {
            return rws_bytes::ABSENT;
        };
        asked.upgrade.request().header(name).map_or(rws_bytes::ABSENT, rws_bytes::from)
    })
}

/// The peer's address; RWS_FAMILY_NONE on a Unix socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_peer(
    up: *const rws_upgrade,
    out: *mut rws_address,
) -> rws_status {
    status(|| {
        // SAFETY: the lent upgrade or null.
        let asked = unsafe { own::borrow(up) }?;
        if out.is_null() {
            return Err(rws_status::RWS_E_INVALID);
        }
        // SAFETY: not null.
        unsafe { own::write(out, asked.upgrade.peer().into()) };
        Ok(rws_status::RWS_OK)
    })
}

/// The name that the client has asked for in TLS (SNI), in lower case.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_server_name(up: *const rws_upgrade) -> rws_bytes {
    guard(|| {
        // SAFETY: the lent upgrade or null.
        let asked = unsafe { own::borrow(up) };
        let name = asked.ok().and_then(|up| up.upgrade.server_name());
        name.map_or(rws_bytes::ABSENT, |name| name.as_bytes().into())
    })
}

/// The certificate that the client has shown, in DER; it was verified.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_peer_certificate(up: *const rws_upgrade) -> rws_bytes {
    guard(|| {
        // SAFETY: the lent upgrade or null.
        let asked = unsafe { own::borrow(up) };
        let der = asked.ok().and_then(|up| up.upgrade.peer_certificate());
        der.map_or(rws_bytes::ABSENT, rws_bytes::from)
    })
}

/// Chooses a subprotocol; without this call there is none. RWS_E_INVALID: it was not offered
/// (header Sec-WebSocket-Protocol): refuse, or go on without.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_protocol(
    up: *mut rws_upgrade,
    name: *const c_char,
) -> rws_status {
    status(|| {
        // SAFETY: the lent upgrade and a C string, or null.
        let (asked, name) = unsafe { (own::lent(up)?, string(name)?) };
        asked.upgrade.set_protocol(name).map_err(|_| rws_status::RWS_E_INVALID)?;
        Ok(rws_status::RWS_OK)
    })
}

/// Adds a header to the answer, whichever on_upgrade gives; again for a second of that name.
/// RWS_E_INVALID: control bytes, a name that is no token, or a header of the handshake's own
/// (Connection, Upgrade, Sec-WebSocket-*, Content-Length, ...).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_add_header(
    up: *mut rws_upgrade,
    name: *const c_char,
    value: rws_bytes,
) -> rws_status {
    status(|| {
        // SAFETY: the lent upgrade, a C string and the caller's bytes, or null.
        let (asked, name, value) = unsafe { (own::lent(up)?, string(name)?, value.as_slice()?) };
        asked.upgrade.add_header(name, value).map_err(|_| rws_status::RWS_E_INVALID)?;
        asked.headers.push((name.into(), value.into()));
        Ok(rws_status::RWS_OK)
    })
}

/// The body of an answer other than 101, in place of the line that says why; copied. Its
/// Content-Type is yours to add.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_body(up: *mut rws_upgrade, body: rws_bytes) -> rws_status {
    status(|| {
        // SAFETY: the lent upgrade and the caller's bytes, or null.
        let (asked, body) = unsafe { (own::lent(up)?, body.as_slice()?) };
        asked.body = Some(body.into());
        Ok(rws_status::RWS_OK)
    })
}

/// Handed to each callback of this connection from now on, on_upgrade too if set in on_origin.
/// If the answer is neither 101 nor RWS_LATER no callback is given it any more: free it before you
/// return.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_set_user(up: *mut rws_upgrade, user: *mut c_void) {
    guard(|| {
        // SAFETY: the lent upgrade or null.
        if let Ok(asked) = unsafe { own::lent(up) } {
            asked.upgrade.set_user(User(user).to_word());
        }
    });
}

/// Inside on_upgrade: moves the connection, which has no answer yet, to the reactor that is to have
/// it, 0..rws_config.reactors, that of its room for example. With RWS_OK on_upgrade is called again
/// over there with the same request (on_origin before it, where that is asked), with the user
/// pointer that the connection began with, and rws_upgrade_moved says 1. What on_upgrade returns
/// here is ignored, what was set of the answer forgotten: free what you have given
/// rws_upgrade_set_user before you return. handshake_timeout_ms runs on from the accept; frames
/// behind the request go along. It moves once. If the other reactor ends while it is on its way, or
/// has no room for its mail by then, it is answered with 503, without on_upgrade, or in a stop
/// closed when nobody is heard any more; both are counted. With any other status nothing was done,
/// and what on_upgrade returns is the answer. RWS_E_STATE: it is there already, was moved before or
/// left for later, or this is on_origin; RWS_E_INVALID: no such reactor; RWS_E_UNSUPPORTED: the
/// connection is encrypted, and its keys stay with the thread; RWS_E_FULL: that reactor has all
/// connections that it takes, or 64 MiB of mail: refuse with 503; RWS_E_GONE: that reactor has
/// ended: refuse with 503.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_move(up: *mut rws_upgrade, reactor: u32) -> rws_status {
    status(|| {
        tsan::hand_over(of_this_thread(), Some(reactor));
        // SAFETY: the lent upgrade or null.
        unsafe { own::lent(up) }?.upgrade.move_to(reactor)?;
        Ok(rws_status::RWS_OK)
    })
}

/// 1: rws_upgrade_move has brought it here from another reactor, and it stays; else 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_moved(up: *const rws_upgrade) -> u32 {
    guard(|| {
        // SAFETY: the lent upgrade or null.
        let asked = unsafe { own::borrow(up) };
        asked.is_ok_and(|up| up.upgrade.moved()).into()
    })
}
