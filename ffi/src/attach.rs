//! Reactors on threads of the host's: its loop polls a descriptor and gives them their turns.

use crate::engine::{Here, from_outside};
use crate::guard::{report, status};
use crate::own;
use crate::status::{Failure, rws_error, rws_status};
use crate::types::rws_engine;
use std::ffi::c_int;
use std::os::fd::IntoRawFd;

/// After the start: makes a reactor, one of the first `attached`, on this thread, which is to run
/// it, and calls its on_start before it returns. fd_out: a descriptor, yours to close; poll it for
/// reading (EPOLLIN, by level or edge; it is always writable). It is readable whenever there is
/// something to do, also when a timer or a timeout is due or others have called: nothing else has
/// to be watched, and nothing calls you for nothing. RWS_E_INVALID: no reactor of that number is
/// to be attached. RWS_E_STATE: before the start, attached before, the engine has ended, this
/// thread has one of this engine, or in a callback. RWS_E_KERNEL, RWS_E_SYSTEM, RWS_E_NOMEM: as
/// rws_engine_start, and the engine stops.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_engine_attach(
    e: *mut rws_engine,
    reactor: u32,
    fd_out: *mut c_int,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        if fd_out.is_null() {
            return Err(Failure::invalid("no place for the descriptor"));
        }
        // SAFETY: a live engine or null.
        let engine = unsafe { from_outside(e) }?;
        let here = Here::enter(e);
        let descriptor = engine.attach(reactor)?;
        drop(here);
        // SAFETY: not null.
        unsafe { own::write(fd_out, descriptor.into_raw_fd()) };
        Ok(())
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}

/// On a thread that has attached a reactor, when its descriptor is readable; also when it is not.
/// Does what there is to do by now, calls back, and waits for nothing. RWS_OK: go on polling.
/// RWS_E_ENDED: the reactor has ended after a stop, on_stop was called: take the descriptor out of
/// your poller, then close it. RWS_E_STATE: this thread has no reactor of this engine, or in a
/// callback. Anything else: it has failed and ended, as rws_engine_wait says.
/// Outside of turns this is a thread as any other: rws_engine_* may be used, rws_engine_post too.
/// What it asks for so goes before what callbacks of the next turn ask for; it is another sender
/// than they: see Fragments. That it comes late for a turn is not held against peers. Give turns
/// until RWS_E_ENDED: a thread that ends before takes its reactor with it, on_close comes for all,
/// where rws_reactor_engine says NULL, and the engine stops: rws_engine_wait says RWS_E_STATE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_turn(e: *mut rws_engine) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null.
        let engine = unsafe { from_outside(e) }?;
        let _here = Here::enter(e);
        match engine.turn() {
            Ok(true) => Ok(rws_status::RWS_OK),
            Ok(false) => Err(rws_status::RWS_E_ENDED),
            Err(error) => Err(Failure::from(error).status),
        }
    })
}
