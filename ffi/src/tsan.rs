//! What ThreadSanitizer is told, in a program that was compiled with it.
//!
//! It follows the memory and the locks of what it has instrumented, and the calls of the C library
//! of everybody. Of this library it would see an allocation here, a `memcpy` there, and none of the
//! atomics and futexes between them: it would take each hand-over for a race. So:
//!
//! - While a thread is in this library ([`Inside`]) what it touches is not looked at; while it is
//!   in a function of the application's ([`outside`]) it is.
//! - What the application hands over is told where it goes in and where it comes out: the mail of a
//!   reactor ([`hand_over`], [`taken`]), its end ([`Place::End`]), the references of a buffer
//!   ([`Place::Buffer`]), the settings of TLS. Nothing is told that does not hold without it: what
//!   two callbacks do with something that they have not handed over is reported as ever.
//! - Threads are made and joined by the C library, which it sees.
//!
//! Where there is no ThreadSanitizer nothing is called, and the short way of a message does not
//! even ask: `rws_send` has no [`Inside`], since it touches what its reactor alone does, and
//! callbacks are `Watched` only where it was found when they were handed in.

use crate::engine::of_this_thread;
use crate::types::rws_engine;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

type Sync = unsafe extern "C" fn(*mut c_void);
type Ignore = unsafe extern "C" fn(*const c_char, c_int);

/// The functions of its runtime: those that gcc's and clang's both have.
struct Runtime {
    acquire: Sync,
    release: Sync,
    /// Reads, then writes.
    begin: [Ignore; 2],
    end: [Ignore; 2],
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

#[expect(unused_doc_comments, reason = "cbindgen reads it")]
/// cbindgen:ignore
unsafe extern "C" {
    /// POSIX; the standard library uses it, too.
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

fn find<F: Copy>(name: &CStr) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: the name ends with NUL; RTLD_DEFAULT is null in glibc and musl.
    let found = unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) };
    // SAFETY: of that name there is one function, whose type the caller knows from the interface of
    // the sanitizers; it is of the size of a pointer, as was just asserted.
    (!found.is_null()).then(|| unsafe { std::mem::transmute_copy(&found) })
}

/// Before an engine is made: whether this is such a program is known from then on.
pub(crate) fn look() {
    let runtime = || {
        Some(Runtime {
            acquire: find(c"__tsan_acquire")?,
            release: find(c"__tsan_release")?,
            begin: [find(c"AnnotateIgnoreReadsBegin")?, find(c"AnnotateIgnoreWritesBegin")?],
            end: [find(c"AnnotateIgnoreReadsEnd")?, find(c"AnnotateIgnoreWritesEnd")?],
        })
    };
    if RUNTIME.get().is_none()
        && let Some(runtime) = runtime()
    {
        let _ = RUNTIME.set(runtime);
    }
}

pub(crate) fn is_there() -> bool {
    RUNTIME.get().is_some()
}

/// How deep this thread is in the library. It must not end while it is: then it says so itself.
struct Depth(Cell<u32>);

impl Depth {
    fn set(&self, runtime: &Runtime, depth: u32) {
        let all = match (self.0.replace(depth), depth) {
            (0, 1..) => runtime.begin,
            (1.., 0) => runtime.end,
            _ => return,
        };
        for call in all {
            // SAFETY: a place in a source, which is for its reports.
            unsafe { call(c"ringws".as_ptr(), 0) }
        }
    }
}

impl Drop for Depth {
    fn drop(&mut self) {
        if let Some(runtime) = RUNTIME.get() {
            self.set(runtime, 0);
        }
    }
}

thread_local! {
    static DEPTH: Depth = const { Depth(Cell::new(0)) };
}

/// The depth before; `None` where there is nothing to tell, also where a thread is ending.
fn change(runtime: &Runtime, to: impl FnOnce(u32) -> u32) -> Option<u32> {
    DEPTH
        .try_with(|depth| {
            let before = depth.0.get();
            depth.set(runtime, to(before));
            before
        })
        .ok()
}

/// The calling thread is in this library until this is dropped.
pub(crate) struct Inside(bool);

impl Inside {
    pub(crate) fn enter() -> Self {
        Self(RUNTIME.get().is_some_and(|runtime| change(runtime, |depth| depth + 1).is_some()))
    }

    /// A thread of ours: it is until it ends, but for callbacks.
    pub(crate) fn stay() {
        if let Some(runtime) = RUNTIME.get() {
            change(runtime, |depth| depth.max(1));
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let (true, Some(runtime)) = (self.0, RUNTIME.get()) {
            change(runtime, |depth| depth - 1);
        }
    }
}

/// Calls a function of the application's.
pub(crate) fn outside<T>(call: impl FnOnce() -> T) -> T {
    let Some(runtime) = RUNTIME.get() else { return call() };
    let depth = change(runtime, |_| 0);
    let returned = call();
    if let Some(depth) = depth {
        change(runtime, |_| depth);
    }
    returned
}

/// Where something is handed over: what was done before a [`release`] is seen behind the
/// [`acquire`] of the same place.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// The mail of one reactor.
    Reactor(*mut rws_engine, u32),
    /// The mail of all.
    All(*mut rws_engine),
    /// What reactors have done when they have started, or ended.
    End(*mut rws_engine),
    /// The references of a message, known by its payload.
    Buffer(*const u8),
    /// What verifies certificates.
    Tls,
}

impl Place {
    /// An address of ours for it. Two places may share one: then a race may be missed, and none is
    /// made up.
    fn address(self) -> *mut c_void {
        const COUNT: usize = 4096;
        static ADDRESSES: [AtomicU64; COUNT] = [const { AtomicU64::new(0) }; COUNT];
        let number = match self {
            Self::Reactor(e, reactor) => (e.addr() >> 4) * 257 + reactor as usize,
            // There are at most 255 reactors.
            Self::All(e) => (e.addr() >> 4) * 257 + 255,
            Self::End(e) => (e.addr() >> 4) * 257 + 256,
            Self::Buffer(payload) => payload.addr() >> 3,
            Self::Tls => 0,
        };
        ADDRESSES[number % COUNT].as_ptr().cast()
    }
}

pub(crate) fn release(at: Place) {
    if let Some(runtime) = RUNTIME.get() {
        // SAFETY: the address of an object that stays.
        unsafe { (runtime.release)(at.address()) }
    }
}

pub(crate) fn acquire(at: Place) {
    if let Some(runtime) = RUNTIME.get() {
        // SAFETY: the address of an object that stays.
        unsafe { (runtime.acquire)(at.address()) }
    }
}

/// What the calling thread has done so far is seen by the callbacks of this reactor; `None`: of
/// all.
pub(crate) fn hand_over(e: *mut rws_engine, reactor: Option<u32>) {
    release(reactor.map_or(Place::All(e), |reactor| Place::Reactor(e, reactor)));
}

/// A callback on a reactor's thread sees what was handed over to it.
pub(crate) fn taken(reactor: u32) {
    acquire(Place::Reactor(of_this_thread(), reactor));
    acquire(Place::All(of_this_thread()));
}

/// What is called when all reactors have ended sees what they have done, and what was handed over.
pub(crate) fn ended() {
    acquire(Place::End(of_this_thread()));
    acquire(Place::All(of_this_thread()));
}
