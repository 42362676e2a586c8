//! `rws_engine_*` on connections: calls from any thread, queued to the reactor that owns them.

use crate::conn::{close_error, code_and_reason, frame};
use crate::constants::rws_opcode;
use crate::guard::status;
use crate::own;
use crate::status::rws_status;
use crate::timer::job;
use crate::types::{rws_buf, rws_bytes, rws_conn, rws_engine, rws_reactor};
use ringws_engine::reactor::CallError;
use std::ffi::c_void;

/// RWS_OK: handed over. If the connection has gone by then, it is counted in rws_stats.
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
        let (engine, frame) = unsafe { (own::borrow(e)?, frame(op, data, len, flags)?) };
        engine.handle().send(c.into(), frame.opcode, frame.payload, frame.flags)?;
        Ok(rws_status::RWS_OK)
    })
}

/// Copies nothing; your reference stays yours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_send_buf(
    e: *mut rws_engine,
    c: rws_conn,
    b: *mut rws_buf,
) -> rws_status {
    status(|| {
        // SAFETY: a live engine and a live reference, or null.
        let (engine, message) = unsafe { (own::borrow(e)?, own::borrow(b)?) };
        engine.handle().send_message(c.into(), message)?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_close(
    e: *mut rws_engine,
    c: rws_conn,
    code: u16,
    reason: rws_bytes,
) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null, and the caller's bytes.
        let (engine, (code, reason)) = unsafe { (own::borrow(e)?, code_and_reason(code, reason)?) };
        engine.handle().close(c.into(), code, reason).map_err(close_error)?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_abort.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_abort(e: *mut rws_engine, c: rws_conn) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null.
        unsafe { own::borrow(e) }?.handle().abort(c.into())?;
        Ok(rws_status::RWS_OK)
    })
}

/// RWS_OK: fn runs on that reactor's thread, exactly once, at the latest when the reactor ends.
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
        match engine.handle().post(reactor, job(r#fn, arg)?) {
            Ok(()) => Ok(rws_status::RWS_OK),
            // No such reactor: not a connection that has gone, but a wrong number.
            Err(CallError::Gone) => Err(rws_status::RWS_E_INVALID),
            Err(error) => Err(error.into()),
        }
    })
}
