//! `rws_reactor`: the reactor of the thread that a callback runs on.

use crate::engine;
use crate::guard::guard;
use crate::own;
use crate::types::{User, rws_engine, rws_reactor};
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

/// From 0; for rws_engine_post, rws_conn_reactor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_reactor_index(r: *const rws_reactor) -> u32 {
    // SAFETY: the lent reactor or null.
    guard(|| unsafe { own::borrow(r) }.map_or(0, |ctx| ctx.index()))
}
