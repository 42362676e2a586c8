//! `rws_engine_*` on connections: calls from any thread, queued to the reactor that owns them.

use crate::conn::{close_error, code_and_reason, frame, rws_conn_reactor};
use crate::constants::{RWS_ANY_REACTOR, rws_opcode};
use crate::guard::{guard, status};
use crate::own;
use crate::queue::must_have_a_latest;
use crate::status::rws_status;
use crate::timer::job;
use crate::tsan;
use crate::types::{rws_buf, rws_bytes, rws_conn, rws_engine, rws_reactor};
use ringws_engine::engine::Engine;
use ringws_engine::reactor::CallError;
use std::ffi::c_void;

/// The engine, for a call on a connection: its reactor's callbacks see what the caller has done.
///
/// # Safety
/// `e` is null or a live engine.
unsafe fn of<'a>(e: *mut rws_engine, c: rws_conn) -> Result<&'a Engine, rws_status> {
    tsan::hand_over(e, Some(rws_conn_reactor(c)));
    // SAFETY: as the caller says.
    unsafe { own::borrow(e) }
}

/// RWS_OK: handed over; never RWS_FULL. It is dropped, and counted in forward_dropped, if by
/// then the connection has ended, is being closed, or has more than send_queue_max queued (unless
/// its policy says otherwise: see Queues). A
/// dropped message leaves a gap in an open connection: if every message matters, post a job and
/// use rws_send there, which answers; rws_engine_buffered tells when to hold back. A
/// continuation that is dropped closes its connection with 1011, so that no message lacks a
/// part. RWS_E_INVALID, RWS_E_TOO_BIG, RWS_E_UTF8: what you pass. RWS_E_GONE: no connection of
/// this engine has such a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_send(
    e: *mut rws_engine,
    c: rws_conn,
    op: rws_opcode,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null, and the caller's bytes.
        let (engine, frame) = unsafe { (of(e, c)?, frame(op, data, len, flags)?) };
        engine.handle().send(c.into(), frame.opcode, frame.payload, frame.flags)?;
        Ok(rws_status::RWS_OK)
    })
}

/// Copies nothing; your reference stays yours. Answers as rws_engine_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_send_buf(
    e: *mut rws_engine,
    c: rws_conn,
    b: *const rws_buf,
) -> rws_status {
    status(|| {
        // SAFETY: a live engine and a live reference, or null.
        let (engine, message) = unsafe { (of(e, c)?, own::borrow(b)?) };
        engine.handle().send_message(c.into(), message)?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_send_latest. Copies nothing; your reference stays yours. Answers as rws_engine_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_send_latest(
    e: *mut rws_engine,
    c: rws_conn,
    key: u64,
    b: *const rws_buf,
) -> rws_status {
    status(|| {
        // SAFETY: a live engine and a live reference, or null.
        let (engine, message) = unsafe { (of(e, c)?, own::borrow(b)?) };
        must_have_a_latest(message)?;
        engine.handle().send_latest(c.into(), key, message)?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_close, and in its turn behind what this thread has sent. RWS_E_INVALID: a code that
/// must not be sent. RWS_E_TOO_BIG, RWS_E_UTF8: the reason. Otherwise answers as
/// rws_engine_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_close(
    e: *mut rws_engine,
    c: rws_conn,
    code: u16,
    reason: rws_bytes,
) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null, and the caller's bytes.
        let (engine, (code, reason)) = unsafe { (of(e, c)?, code_and_reason(code, reason)?) };
        engine.handle().close(c.into(), code, reason).map_err(close_error)?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_abort. Answers as rws_engine_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_abort(e: *mut rws_engine, c: rws_conn) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null.
        unsafe { of(e, c) }?.handle().abort(c.into())?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_pause. Messages may still be delivered until the reactor has taken it, behind what this
/// thread has asked for before. Answers as rws_engine_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_pause(e: *mut rws_engine, c: rws_conn) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null.
        unsafe { of(e, c) }?.handle().set_paused(c.into(), true)?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_resume. Answers as rws_engine_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_resume(e: *mut rws_engine, c: rws_conn) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null.
        unsafe { of(e, c) }?.handle().set_paused(c.into(), false)?;
        Ok(rws_status::RWS_OK)
    })
}

/// How many bytes are on their way to a connection: what rws_engine_send has handed over, and
/// what the connection has queued. What this thread has handed over is in it until the kernel
/// has taken it; what callbacks and others send may be seen a moment later. 0 also if the
/// connection has ended, or nothing was ever handed over for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_buffered(e: *mut rws_engine, c: rws_conn) -> usize {
    // SAFETY: a live engine or null.
    guard(|| unsafe { own::borrow(e) }.map_or(0, |engine| engine.handle().buffered(c.into())))
}

/// RWS_OK: fn runs exactly once on that reactor's thread, at the latest when it ends, before
/// on_stop. RWS_ANY_REACTOR: on one reactor, for the next call on the next one. RWS_E_INVALID:
/// no such reactor, no fn.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_post(
    e: *mut rws_engine,
    reactor: u32,
    r#fn: Option<unsafe extern "C" fn(r: *mut rws_reactor, arg: *mut c_void)>,
    arg: *mut c_void,
) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null.
        let engine = unsafe { own::borrow(e) }?;
        let handle = engine.handle();
        let any = reactor == RWS_ANY_REACTOR;
        let reactor = if any { handle.next_reactor() } else { reactor };
        tsan::hand_over(e, Some(reactor));
        match handle.post(reactor, job(r#fn, arg)?) {
            Ok(()) => Ok(rws_status::RWS_OK),
            // No such reactor: not a connection that has gone, but a wrong number.
            Err(CallError::Gone) => Err(rws_status::RWS_E_INVALID),
            Err(error) => Err(error.into()),
        }
    })
}
