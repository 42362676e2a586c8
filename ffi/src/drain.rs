//! `rws_engine_drain`: an engine is emptied in one call.

use crate::engine::of_this_thread;
use crate::guard::status;
use crate::own;
use crate::sized::{self, Sized};
use crate::status::rws_status;
use crate::tsan;
use crate::types::{User, rws_bytes, rws_engine};
use ringws_engine::config::{Drain, Drained};
use ringws_engine::proto::CloseCode;
use ringws_engine::reactor::{DrainError, OnDrained};
use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::Arc;
use std::time::Duration;

/// How a drain went: connections since their reactor has heard of the call, an instant behind it.
/// Each that was open then, or that we have made since, is in one of the first four
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_drained {
    /// ended by Close frames both ways
    pub closed: u64,
    /// the peer has not answered our Close in close_timeout_ms, or was silent before it
    pub timed_out: u64,
    /// cut off at the deadline
    pub aborted: u64,
    /// ended otherwise: a reset, rws_abort, a violation
    pub lost: u64,
    /// upgrades that were answered with 503
    pub refused: u64,
    /// accepted, and closed before they had asked for anything
    pub unheard: u64,
}

impl From<&Drained> for rws_drained {
    fn from(drained: &Drained) -> Self {
        let Drained { closed, timed_out, aborted, lost, refused, unheard } = *drained;
        Self { closed, timed_out, aborted, lost, refused, unheard }
    }
}

/// how an engine is emptied; NULL: all defaults
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_drain {
    /// RWS_INIT
    pub size: u32,
    /// of the Close frames, one that rws_close takes; default 1001
    pub code: u16,
    /// what refused upgrades are told, in seconds: Retry-After; default 1
    pub retry_after_s: u16,
    /// of the Close frames: at most 123 bytes of UTF-8; copied; default: none
    pub reason: rws_bytes,
    /// for so long open connections go on as if nothing were; default 0
    pub serve_ms: u32,
    /// Then they are sent their Close, one after the other, evenly over so long and with some
    /// chance: so they do not all come back at once, wherever they go. Default 0: all at once
    pub spread_ms: u32,
    /// From the call: whoever is left then is cut off. Default serve_ms + spread_ms + 30 000; less
    /// than those two: RWS_E_INVALID
    pub deadline_ms: u32,
    /// 0
    pub reserved: u32,
    /// Once, if the call has said RWS_OK and rws_engine_start has succeeded: all reactors have
    /// ended. Where and when: as on_stopped of rws_config, before that. counts is lent
    pub on_drained: Option<
        unsafe extern "C" fn(e: *mut rws_engine, counts: *const rws_drained, user: *mut c_void),
    >,
    /// handed to it
    pub user: *mut c_void,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_drain {
    const SIZE_MIN: usize = offset_of!(rws_drain, on_drained);
}

impl rws_drain {
    /// What the engine is asked for; the default for null.
    ///
    /// # Safety
    /// `from` is null or names an `rws_drain` as its `size` says, whose reason can be read.
    pub(crate) unsafe fn read(from: *const Self) -> Result<Drain, rws_status> {
        let default = Drain::default();
        if from.is_null() {
            return Ok(default);
        }
        // SAFETY: not null, so the caller has promised an `rws_drain` as its `size` says.
        let how = unsafe { sized::read(from) }?;
        if how.reserved != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED);
        }
        // SAFETY: the caller has promised that it can be read.
        let reason = unsafe { how.reason.as_slice() }?;
        let reason = std::str::from_utf8(reason).map_err(|_| rws_status::RWS_E_UTF8)?;
        let millis = |ms: u32| Duration::from_millis(ms.into());
        let (serve, spread) = (millis(how.serve_ms), millis(how.spread_ms));
        Ok(Drain {
            code: if how.code == 0 { default.code } else { CloseCode(how.code) },
            reason: reason.into(),
            serve,
            spread,
            deadline: match how.deadline_ms {
                0 => serve + spread + default.deadline,
                ms => millis(ms),
            },
            retry_after: match how.retry_after_s {
                0 => default.retry_after,
                seconds => Duration::from_secs(seconds.into()),
            },
            on_drained: how.on_drained.map(|call| hook(call, User(how.user))),
        })
    }
}

fn hook(
    call: unsafe extern "C" fn(*mut rws_engine, *const rws_drained, *mut c_void),
    user: User,
) -> OnDrained {
    Arc::new(move |drained| {
        let user = user;
        let counts = rws_drained::from(drained);
        tsan::ended();
        // SAFETY: engine and counts are there until the call returns; it must not unwind.
        tsan::outside(|| unsafe { call(of_this_thread(), &raw const counts, user.0) });
    })
}

/// Empties the engine and stops it; returns at once. Nobody is accepted any more: the listening
/// sockets are closed, so that a successor can have them, and upgrades on connections that were
/// accepted before are answered with 503. Open connections are served on for serve_ms: messages
/// come, rws_send and connects work. Then each is sent its Close, within spread_ms; until then
/// rws_send works for it, and from then on, and at the end, all is as in a stop, which is a drain
/// without serve_ms and spread_ms. A rws_engine_stop during it sends all that are left their Close
/// at once, of the same code and reason, and its grace takes the place of the deadline. In
/// callbacks too, not in signal handlers. how may be NULL. RWS_E_INVALID: a code that must not be
/// sent, a reason without one, a deadline_ms that is too short. RWS_E_TOO_BIG, RWS_E_UTF8: the
/// reason. RWS_E_STATE: it drains or stops already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_drain(e: *mut rws_engine, how: *const rws_drain) -> rws_status {
    status(|| {
        tsan::hand_over(e, None);
        // SAFETY: a live engine, and a struct as its size says, or null.
        let (engine, how) = unsafe { (own::borrow(e)?, rws_drain::read(how)?) };
        engine.drain(how).map_err(|error| match error {
            DrainError::Code | DrainError::Deadline => rws_status::RWS_E_INVALID,
            DrainError::Reason => rws_status::RWS_E_TOO_BIG,
            DrainError::Stopping => rws_status::RWS_E_STATE,
        })?;
        Ok(rws_status::RWS_OK)
    })
}
