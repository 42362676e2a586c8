//! `rws_reactor`: the reactor of the thread that a callback runs on.

use crate::engine;
use crate::guard::guard;
use crate::own;
use crate::types::{User, rws_conn, rws_engine, rws_reactor};
use std::ffi::c_void;

/// For other threads; as rws_engine_new gave it. NULL: no reactor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_reactor_engine(r: *mut rws_reactor) -> *mut rws_engine {
    guard(|| if r.is_null() { std::ptr::null_mut() } else { engine::of_this_thread() })
}

/// Your per-thread state; at first that of rws_config.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_reactor_user(r: *const rws_reactor) -> *mut c_void {
    // SAFETY: the lent reactor or null.
    guard(|| User::from_word(unsafe { own::borrow(r) }.map_or(0, |ctx| ctx.reactor_user())))
}

/// Changes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_reactor_set_user(r: *mut rws_reactor, user: *mut c_void) {
    guard(|| {
        // SAFETY: the lent reactor or null.
        if let Ok(ctx) = unsafe { own::lent(r) } {
            ctx.set_reactor_user(User(user).to_word());
        }
    });
}

/// The open connections of this reactor, on_open to on_close, closing ones too: writes at most max,
/// in no order, and returns how many there are. For a look at what each has queued: rws_buffered,
/// rws_queue_age_ms, rws_conn_dropped; it takes some time where there are very many. 0: no reactor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_reactor_conns(
    r: *mut rws_reactor,
    out: *mut rws_conn,
    max: usize,
) -> usize {
    guard(|| {
        // SAFETY: the lent reactor or null.
        let Ok(ctx) = (unsafe { own::lent(r) }) else { return 0 };
        let conns = ctx.conns();
        let room = if out.is_null() { 0 } else { max };
        for (at, conn) in conns.iter().take(room).enumerate() {
            // SAFETY: not null, with room for `max`, as the caller says, and `at` is less.
            unsafe { out.add(at).write((*conn).into()) };
        }
        conns.len()
    })
}

/// From 0; for rws_engine_post, rws_conn_reactor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_reactor_index(r: *const rws_reactor) -> u32 {
    // SAFETY: the lent reactor or null.
    guard(|| unsafe { own::borrow(r) }.map_or(0, |ctx| ctx.index()))
}
