//! `rws_later`: upgrades and requests that are answered after their callback.

use crate::constants::RWS_ANY_REACTOR;
use crate::guard::status;
use crate::own;
use crate::request::rws_response;
use crate::status::rws_status;
use crate::tsan;
use crate::types::{User, rws_engine, rws_request, rws_upgrade};
use ringws_engine::reactor::{Later, LaterError};
use std::ffi::{c_int, c_void};

/// on_upgrade returns it after rws_upgrade_later; else it is answered with 500
pub const RWS_LATER: c_int = 1;

/// a request that is answered later; 0 is never one, no other ever gets its number
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct rws_later {
    /// to compare and to print
    pub id: u64,
}

impl From<Later> for rws_later {
    fn from(later: Later) -> Self {
        Self { id: later.to_bits() }
    }
}

/// The number of the reactor that a request belongs to which is answered later: its on_open, or its
/// on_gone, is called there. RWS_ANY_REACTOR if id is 0.
#[unsafe(no_mangle)]
pub extern "C" fn rws_later_reactor(l: rws_later) -> u32 {
    match l.id {
        0 => RWS_ANY_REACTOR,
        id => Later::from_bits(id).reactor(),
    }
}

impl From<LaterError> for rws_status {
    fn from(error: LaterError) -> Self {
        match error {
            LaterError::Gone => Self::RWS_E_GONE,
            LaterError::Status | LaterError::Protocol => Self::RWS_E_INVALID,
            LaterError::State => Self::RWS_E_STATE,
            LaterError::Call(error) => error.into(),
        }
    }
}

/// Inside on_upgrade, which then returns RWS_LATER: the answer comes with rws_engine_answer, of any
/// thread, from now on. What of the request you need by then, copy. If on_upgrade returns anything
/// else, that is the answer, and the number void. Headers that were added go with the answer; a
/// body does not. RWS_E_STATE: called before, or in on_origin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_upgrade_later(
    up: *mut rws_upgrade,
    out: *mut rws_later,
) -> rws_status {
    status(|| {
        if out.is_null() {
            return Err(rws_status::RWS_E_INVALID);
        }
        // SAFETY: the lent upgrade or null; room for a number.
        unsafe { own::write(out, own::borrow(up.cast_const())?.later()?.into()) };
        Ok(rws_status::RWS_OK)
    })
}

/// The same inside on_request, for any request: it is not 404 then, but waits for its answer.
/// RWS_E_STATE: called or answered before, or an upgrade's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_request_later(q: *mut rws_request, out: *mut rws_later) -> rws_status {
    status(|| {
        if out.is_null() {
            return Err(rws_status::RWS_E_INVALID);
        }
        // SAFETY: the lent request or null; room for a number.
        unsafe { own::write(out, own::borrow(q.cast_const())?.later()?.into()) };
        Ok(rws_status::RWS_OK)
    })
}

/// Answers what was left for later, in its turn among what this thread posts to that reactor; see
/// Later answers. RWS_OK: handed over. RWS_E_GONE: answered before, or nobody waits any more.
/// RWS_E_INVALID: to an upgrade a status other than 101 and 300..599, to another request than
/// 200..599; a header as rws_request_answer has it; a protocol that was not offered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_answer(
    e: *mut rws_engine,
    l: rws_later,
    a: *const rws_response,
    user: *mut c_void,
) -> rws_status {
    status(|| {
        // SAFETY: a live engine, and a response as its size says, or null.
        let (engine, (reply, protocol)) = unsafe { (own::borrow(e)?, rws_response::read(a)?) };
        let (later, user) = (Later::from_bits(l.id), User(user).to_word());
        tsan::hand_over(e, Some(later.reactor()));
        engine.handle().answer(later, reply, protocol, user)?;
        Ok(rws_status::RWS_OK)
    })
}
