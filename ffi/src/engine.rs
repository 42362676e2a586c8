//! `rws_engine`: life and death.

use crate::config::rws_config;
use crate::constants::{RWS_BACKEND_AUTO, RWS_BACKEND_EPOLL, RWS_BACKEND_URING};
use crate::endpoint::rws_endpoint;
use crate::guard::{guard, report, status, unseen};
use crate::own;
use crate::status::{Failure, rws_error, rws_status};
use crate::tsan::{self, Inside, Place};
use crate::types::rws_engine;
use ringws_engine::config::{Backend, Config, Hook};
use ringws_engine::engine::{Engine, Error};
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

thread_local! {
    /// The engine whose reactor this thread is; null on all other threads.
    static OURS: Cell<*mut rws_engine> = const { Cell::new(null_mut()) };
}

/// The engine whose reactor the calling thread is; null on all other threads.
pub(crate) fn of_this_thread() -> *mut rws_engine {
    OURS.get()
}

/// The calling thread is one of the engine's for as long as this is kept.
pub(crate) struct Here {
    before: *mut rws_engine,
}

impl Here {
    pub(crate) fn enter(e: *mut rws_engine) -> Self {
        Self { before: OURS.replace(e) }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        OURS.set(self.before);
    }
}

/// The engine, for calls that would wait for the calling thread if it is one of its reactors.
///
/// # Safety
/// `e` is null or a live engine.
pub(crate) unsafe fn from_outside<'a>(e: *mut rws_engine) -> Result<&'a Engine, rws_status> {
    // SAFETY: null, or an engine that the caller keeps alive for the call.
    let engine = unsafe { own::borrow(e) }?;
    if of_this_thread() == e { Err(rws_status::RWS_E_STATE) } else { Ok(engine) }
}

/// Makes each reactor's thread know its engine before anything of the application's runs there.
/// Its pointer is only known later: the home of it is shared.
fn introduce(config: &mut Config) -> Arc<AtomicPtr<rws_engine>> {
    let home = Arc::new(AtomicPtr::new(null_mut()));
    let (engine, next) = (Arc::clone(&home), config.on_start.take());
    let on_start: Hook = Arc::new(move |ctx| {
        OURS.set(engine.load(Ordering::Acquire));
        Inside::stay();
        if let Some(next) = &next {
            next(ctx);
        }
        tsan::release(Place::End(of_this_thread()));
    });
    config.on_start = Some(on_start);
    if tsan::is_there() {
        let next = config.on_stop.take();
        let on_stop: Hook = Arc::new(move |ctx| {
            if let Some(next) = &next {
                next(ctx);
            }
            tsan::release(Place::End(of_this_thread()));
        });
        config.on_stop = Some(on_stop);
    }
    home
}

/// Makes no thread yet. config may be NULL: all defaults. *err says what is wrong: RWS_E_INVALID,
/// RWS_E_UNSUPPORTED with a field; RWS_E_SYSTEM, RWS_E_NOMEM: no descriptors or memory left.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_engine_new(
    config: *const rws_config,
    out: *mut *mut rws_engine,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        if out.is_null() {
            return Err(Failure::invalid("no place for the engine"));
        }
        tsan::look();
        // SAFETY: null or a struct as its size says.
        let mut config = unsafe { rws_config::read(config) }?;
        let home = introduce(&mut config);
        let engine = own::give(Box::new(Engine::new(config)?));
        home.store(engine, Ordering::Release);
        // SAFETY: not null.
        unsafe { own::write(out, engine) };
        Ok(())
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}

/// Before start; connections wait in the kernel until then. port_out may be NULL. *err says what
/// is wrong: RWS_E_INVALID, RWS_E_UNSUPPORTED with a field; RWS_E_SYSTEM: the address cannot be
/// had, EADDRINUSE if others have it, another copy of this program too, after half a second of
/// trying. RWS_E_STATE: started, or in a callback.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_engine_listen(
    e: *mut rws_engine,
    at: *const rws_endpoint,
    port_out: *mut u16,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        // SAFETY: a live engine and a struct as its size says, or null.
        let (engine, at) = unsafe { (from_outside(e)?, rws_endpoint::read(at)?) };
        let port = engine.listen(at)?;
        // SAFETY: null or for us to write.
        unsafe { own::write(port_out, port) };
        Ok(())
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}

/// Makes the threads, none for reactors to be attached, and waits until each has its ring and has
/// returned from on_start; those that have may be calling back already. Once. On failure none is
/// left, on_stop was called for
/// each on_start, and the engine is for rws_engine_free only: RWS_E_KERNEL, and *err says what
/// of io_uring is missing or forbidden, and the remedy, where the config allows nothing else;
/// RWS_E_SYSTEM, RWS_E_NOMEM: no thread, or
/// no memory for it. RWS_E_STATE: started before, or in a callback; then nothing has changed.
/// After a stop it succeeds, and the reactors end at once.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_engine_start(e: *mut rws_engine, err: *mut rws_error) -> rws_status {
    // SAFETY: a live engine or null; err is null or for us to write.
    let status = unsafe { report(err, || Ok(from_outside(e)?.start()?)) };
    tsan::acquire(Place::End(e));
    status
}

/// By what means the kernel is asked, since rws_engine_start: RWS_BACKEND_URING or
/// RWS_BACKEND_EPOLL; RWS_BACKEND_AUTO before, and for NULL. *why, which may be NULL: where it is
/// epoll only because io_uring was refused, RWS_E_KERNEL and what on_log was told, with the remedy;
/// else RWS_OK. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_backend(e: *const rws_engine, why: *mut rws_error) -> u32 {
    guard(|| {
        // SAFETY: a live engine or null.
        let chosen = unsafe { own::borrow(e.cast_mut()) }.ok().and_then(Engine::backend);
        let refused = chosen.and_then(|chosen| chosen.refused.clone());
        let told = || refused.map_or(Ok(()), |refused| Err(Error::Kernel(refused).into()));
        // SAFETY: null or for us to write.
        let _ = unsafe { report(why, told) };
        match chosen.map(|chosen| chosen.backend) {
            Some(Backend::Uring) => RWS_BACKEND_URING,
            Some(Backend::Epoll) => RWS_BACKEND_EPOLL,
            Some(Backend::Auto) | None => RWS_BACKEND_AUTO,
        }
    })
}

/// Stops the engine; returns at once. Nobody is accepted any more; connects and handshakes under
/// way are broken off. Open connections are sent Close 1001, behind what is queued. Until a peer
/// has answered, its messages are delivered (those of paused connections discarded) and rws_send
/// says RWS_E_CLOSING; jobs and timers run. Who has not answered in close_timeout_ms is cut off,
/// and at the end of grace_ms whoever is left: with 0 at once, with UINT32_MAX in 49 days. The
/// reactors end as soon as no connection is left. Called again, the new grace counts from then,
/// be it longer or shorter. In callbacks and signal handlers too; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_stop(e: *mut rws_engine, grace_ms: u32) {
    unseen(|| {
        // SAFETY: a live engine or null.
        if let Ok(engine) = unsafe { own::borrow(e) } {
            engine.stop(Duration::from_millis(grace_ms.into()));
        }
    });
}

/// Until the reactors have ended; at once if they were not started. RWS_E_SYSTEM, RWS_E_NOMEM:
/// the ring of one has failed; RWS_E_PANIC: a bug in one. on_log was told which, and the failed
/// one stopped the others with a grace of 5 s, and on_close came for all: free the engine and
/// make another. RWS_E_STATE in a callback, or on a thread that runs a reactor (see
/// rws_engine_attach): it would wait for itself. Several threads may wait, and wait again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_wait(e: *mut rws_engine) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null.
        let engine = unsafe { from_outside(e) }?;
        let ended = engine.wait();
        tsan::acquire(Place::End(e));
        ended.map_err(|error| Failure::from(error).status)?;
        Ok(rws_status::RWS_OK)
    })
}

/// Stops without grace and waits, for the turns of other threads that have attached a reactor too;
/// that of this thread is run to its end. NULL is fine. From the call on nobody else may be in, or
/// begin, a call with this engine, signal handlers included; only its callbacks may, until it
/// has returned. In a callback, on_log, verify or release it does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_free(e: *mut rws_engine) {
    guard(|| {
        // SAFETY: a live engine or null. The reactors may use it until they have ended: it is
        // borrowed until then, and only taken after.
        let Ok(engine) = (unsafe { from_outside(e) }) else { return };
        // Also where no reactor is lent: in on_log, verify and release.
        if engine.is_here() {
            return;
        }
        let here = Here::enter(e);
        // Why a reactor has failed was for rws_engine_wait to tell.
        engine.end();
        drop(here);
        tsan::acquire(Place::End(e));
        // SAFETY: the caller gives it up.
        drop(unsafe { own::take(e) });
    });
}
