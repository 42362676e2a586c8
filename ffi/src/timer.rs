//! `rws_timer`, and the functions that C hands over to be called later.

use crate::callbacks::lend;
use crate::conn::must_be_here;
use crate::guard::status;
use crate::own;
use crate::status::rws_status;
use crate::tsan;
use crate::types::{User, rws_reactor, rws_timer};
use ringws_engine::reactor::{Context, Timer};
use std::ffi::c_void;
use std::time::Duration;

/// What the engine calls.
type Job = Box<dyn FnOnce(&mut Context) + Send>;

/// A C function and its argument as the engine takes them.
pub(crate) fn job(
    call: Option<unsafe extern "C" fn(*mut rws_reactor, *mut c_void)>,
    arg: *mut c_void,
) -> Result<Job, rws_status> {
    let (call, arg) = (call.ok_or(rws_status::RWS_E_INVALID)?, User(arg));
    Ok(Box::new(move |ctx| {
        let arg = arg;
        tsan::taken(ctx.index());
        // SAFETY: the reactor is lent until the call returns; the function must not unwind.
        tsan::outside(|| unsafe { call(lend(ctx), arg.0) });
    }))
}

/// Calls fn once, on this reactor, unless it ends or the timer is cancelled first. Grain 1 ms;
/// out may be NULL. RWS_E_INVALID: no fn, no reactor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_timer_start(
    r: *mut rws_reactor,
    ms: u32,
    r#fn: Option<unsafe extern "C" fn(r: *mut rws_reactor, arg: *mut c_void)>,
    arg: *mut c_void,
    out: *mut rws_timer,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null.
        let ctx = unsafe { own::lent(r) }?;
        let timer = ctx.timer_start(Duration::from_millis(ms.into()), job(r#fn, arg)?);
        // SAFETY: null or for us to write.
        unsafe { own::write(out, timer.into()) };
        Ok(rws_status::RWS_OK)
    })
}

/// Calls fn after first_ms, and then every every_ms, at least 1, until it is cancelled, in fn too,
/// or this reactor ends. The times are counted from the start, not from the calls: no drift. Those
/// that pass while a callback blocks are left out: one call, late, and the next at its time.
/// RWS_E_INVALID: no fn, no reactor, every_ms is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_timer_repeat(
    r: *mut rws_reactor,
    first_ms: u32,
    every_ms: u32,
    r#fn: Option<unsafe extern "C" fn(r: *mut rws_reactor, arg: *mut c_void)>,
    arg: *mut c_void,
    out: *mut rws_timer,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null.
        let ctx = unsafe { own::lent(r) }?;
        let (call, arg) = (r#fn.ok_or(rws_status::RWS_E_INVALID)?, User(arg));
        if every_ms == 0 {
            return Err(rws_status::RWS_E_INVALID);
        }
        let repeated = move |ctx: &mut Context| {
            // All of it is captured: a pointer alone may not go to another thread.
            let user = &arg;
            tsan::taken(ctx.index());
            // SAFETY: the reactor is lent until the call returns; the function must not unwind.
            tsan::outside(|| unsafe { call(lend(ctx), user.0) });
        };
        let ms = |ms: u32| Duration::from_millis(ms.into());
        let timer = ctx.timer_repeat(ms(first_ms), ms(every_ms), Box::new(repeated));
        // SAFETY: null or for us to write.
        unsafe { own::write(out, timer.into()) };
        Ok(rws_status::RWS_OK)
    })
}

/// RWS_OK: fn will not be called any more. RWS_E_GONE: it was, or was cancelled, or never a timer.
/// RWS_E_STATE: another reactor's timer: post to it. RWS_E_INVALID: no reactor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_timer_cancel(r: *mut rws_reactor, t: rws_timer) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null.
        let ctx = unsafe { own::lent(r) }?;
        let timer = Timer::from_bits(t.id);
        must_be_here(ctx, t.id, timer.reactor())?;
        match ctx.timer_cancel(timer) {
            true => Ok(rws_status::RWS_OK),
            false => Err(rws_status::RWS_E_GONE),
        }
    })
}
