//! A restart that closes nobody: `rws_engine_take_over` in the new process,
//! `rws_engine_hand_over` in the old one.

use crate::drain::rws_drain;
use crate::engine::from_outside;
use crate::guard::{report, status};
use crate::own::{self, Lent, Opaque};
use crate::sized::{self, Sized};
use crate::status::{Failure, rws_error, rws_status};
use crate::tsan;
use crate::types::{User, rws_bytes, rws_engine};
use ringws_engine::passed::of_number;
use ringws_engine::succession::{HandOver, HandedOver, OnHandedOver, SuccessionError};
use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Bytes that go along with a connection.
const STATE_MAX: usize = 64 << 10;

/// a connection that may leave for another process; lent to on_hand_over
pub struct rws_parting {
    _private: [u8; 0],
}

impl Opaque for rws_parting {
    type Rust = Parting;
    type Kind = Lent;
}

/// What the application has said of one.
#[derive(Debug, Default)]
pub struct Parting {
    pub(crate) state: Option<Vec<u8>>,
}

/// how a hand-over went
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_handed_over {
    /// RWS_OK: the other process has taken this one's place, and what is left is drained. Else it
    /// has not: this one goes on as before, and may be handed over again. RWS_E_GONE: it has ended
    /// or closed the socket; RWS_E_TIMEOUT: it was not ready in time; RWS_E_PROTOCOL: it has said
    /// what means nothing; RWS_E_STATE: this engine was stopped or drained meanwhile
    pub status: rws_status,
    /// 0
    pub reserved: u32,
    /// connections that are the other process's now
    pub passed: u64,
    /// connections that were under way and came back: on_taken_over was called for them here
    pub back: u64,
    /// open connections that are left
    pub left: u64,
}

impl From<&HandedOver> for rws_handed_over {
    fn from(how: &HandedOver) -> Self {
        let HandedOver { failed, passed, back, left } = *how;
        let status = failed.map_or(rws_status::RWS_OK, |why| status_of(why).0);
        Self { status, reserved: 0, passed, back, left }
    }
}

/// how an engine is handed over; NULL: all defaults
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_hand_over {
    /// RWS_INIT
    pub size: u32,
    /// How long is waited until the other process has started its engine; until then nothing is
    /// done here. Default 60 000
    pub ready_ms: u32,
    /// From then on, how long connections that are busy are asked again. Default 10 000
    pub within_ms: u32,
    /// 0
    pub reserved: u32,
    /// How those that are left then are drained; read before rws_engine_hand_over returns. NULL:
    /// with RWS_CLOSE_RESTART, spread over 10 of 30 seconds
    pub drain: *const rws_drain,
    /// Once, if the call has said RWS_OK: on a thread of the engine that is no reactor's, before
    /// the drain begins. how is lent
    pub on_handed_over: Option<
        unsafe extern "C" fn(e: *mut rws_engine, how: *const rws_handed_over, user: *mut c_void),
    >,
    /// handed to it
    pub user: *mut c_void,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_hand_over {
    const SIZE_MIN: usize = offset_of!(rws_hand_over, on_handed_over);
}

impl rws_hand_over {
    /// What the engine is asked for; the default for null.
    ///
    /// # Safety
    /// `from` is null or names an `rws_hand_over` as its `size` says, and so does its drain.
    unsafe fn read(e: *mut rws_engine, from: *const Self) -> Result<HandOver, rws_status> {
        let default = HandOver::default();
        if from.is_null() {
            return Ok(default);
        }
        // SAFETY: not null, so the caller has promised an `rws_hand_over` as its `size` says.
        let how = unsafe { sized::read(from) }?;
        if how.reserved != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED);
        }
        let millis = |ms: u32, default| match ms {
            0 => default,
            ms => Duration::from_millis(ms.into()),
        };
        Ok(HandOver {
            ready: millis(how.ready_ms, default.ready),
            within: millis(how.within_ms, default.within),
            drain: match how.drain.is_null() {
                true => default.drain,
                // SAFETY: not null, so the caller has promised an `rws_drain`.
                false => unsafe { rws_drain::read(how.drain) }?,
            },
            on_handed_over: how
                .on_handed_over
                .map(|call| hook(User(e.cast()), call, User(how.user))),
        })
    }
}

fn hook(
    engine: User,
    call: unsafe extern "C" fn(*mut rws_engine, *const rws_handed_over, *mut c_void),
    user: User,
) -> OnHandedOver {
    Arc::new(move |how| {
        let (engine, user) = (engine, user);
        let how = rws_handed_over::from(how);
        // SAFETY: the engine is there until this thread has ended, as rws_engine_free waits for
        // it, and the result until the call returns; it must not unwind.
        tsan::outside(|| unsafe { call(engine.0.cast(), &raw const how, user.0) });
    })
}

/// Before rws_engine_listen: this engine takes the place of the one in the process at the other end
/// of a connected Unix stream socket, which calls rws_engine_hand_over with its end. Both belong to
/// the same user. With RWS_OK the descriptor is the engine's, otherwise it is yours: close it.
/// Waits until that process has described itself, at most timeout_ms. Each rws_engine_listen that
/// asks for the address and port (0, too), or the path, that an endpoint of the other has listens
/// with its sockets then, so nobody is refused in between; so is one of the same name of systemd,
/// and of descriptors that were given the first is the first one's, ... Where they have routes,
/// those of the same path are the same. With rws_engine_start its open connections come, each to
/// the endpoint or route that it was at: on_taken_over is called, or on_open. RWS_E_STATE: after
/// the start, in a callback. RWS_E_INVALID: no such socket, or of another user. RWS_E_TIMEOUT;
/// RWS_E_GONE: the other has closed it; RWS_E_UNSUPPORTED: it speaks a later version of this;
/// RWS_E_PROTOCOL: it speaks something else. Then the engine is as before, and the other process
/// goes on.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_engine_take_over(
    e: *mut rws_engine,
    fd: c_int,
    timeout_ms: u32,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        if fd < 0 {
            return Err(Failure::invalid("no descriptor"));
        }
        // SAFETY: a live engine or null.
        let engine = unsafe { from_outside(e) }?;
        // A copy: where that fails the caller has what it had.
        let copy = of_number(fd)?;
        engine.take_over(copy, Duration::from_millis(timeout_ms.into()))?;
        // SAFETY: it is open, as was just seen, and the engine's from here on.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        Ok(())
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}

/// After the start, from any thread, in callbacks too: the process at the other end of a connected
/// Unix stream socket, which calls rws_engine_take_over with its end, takes this one's place.
/// Returns at once; with RWS_OK the descriptor is the engine's, otherwise it is yours, and nothing
/// was done. The other process gets the listening sockets; when it has started, it accepts and this
/// one does not, and open connections go there, with on_hand_over and on_close here (RWS_CAUSE_
/// PASSED_ON) and on_taken_over there. One goes when it stands between two messages and nothing is
/// queued for it, and is asked again until within_ms are over. Their peers notice nothing: what
/// they send meanwhile waits in the kernel. Not moved are encrypted ones, those that this engine
/// has made, those in the middle of a message, those without an on_hand_over that lets them go, and
/// with RWS_OPT_TAKEOVER those whose peer has sent something compressed, which it may refer to
/// later. They are drained as how says, and the engine ends as after rws_engine_drain. See
/// Succession. RWS_E_STATE: before the start, in a drain or a stop, or while it is handed over;
/// RWS_E_INVALID: no connected Unix stream socket, one of another user, or the drain: see
/// rws_engine_drain.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_engine_hand_over(
    e: *mut rws_engine,
    fd: c_int,
    how: *const rws_hand_over,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        tsan::hand_over(e, None);
        if fd < 0 {
            return Err(Failure::invalid("no descriptor"));
        }
        // SAFETY: a live engine, and a struct as its size says, or null.
        let (engine, how) = unsafe { (own::borrow(e)?, rws_hand_over::read(e, how)?) };
        // SAFETY: not negative. If it is not taken it goes back as a number: nothing is closed.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        engine.hand_over(socket, how).map_err(|(error, socket)| {
            let _ = socket.into_raw_fd();
            error.into()
        })
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}

/// Inside on_hand_over: lets the connection go, and gives it along what is to be known of it over
/// there, copied; none: {NULL, 0}. RWS_E_TOO_BIG: more than 64 KiB.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_parting_state(p: *mut rws_parting, state: rws_bytes) -> rws_status {
    status(|| {
        // SAFETY: the lent parting or null, and bytes that the caller lets us read.
        let (parting, state) = unsafe { (own::lent(p)?, state.as_slice()?) };
        if state.len() > STATE_MAX {
            return Err(rws_status::RWS_E_TOO_BIG);
        }
        parting.state = Some(state.to_vec());
        Ok(rws_status::RWS_OK)
    })
}

/// What C is told of it.
pub(crate) fn status_of(why: SuccessionError) -> (rws_status, i32) {
    match why {
        SuccessionError::Version(_) => (rws_status::RWS_E_UNSUPPORTED, 0),
        SuccessionError::Malformed(_) => (rws_status::RWS_E_PROTOCOL, 0),
        SuccessionError::Gone => (rws_status::RWS_E_GONE, 0),
        SuccessionError::TimedOut => (rws_status::RWS_E_TIMEOUT, 0),
        SuccessionError::Stopped => (rws_status::RWS_E_STATE, 0),
        SuccessionError::System(errno) => (rws_status::RWS_E_SYSTEM, errno.raw_os_error()),
        _ => (rws_status::RWS_E_INVALID, 0),
    }
}
