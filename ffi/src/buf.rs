//! `rws_buf`: outgoing messages made once and sent many times.

use crate::constants::{RWS_PLAIN, rws_opcode};
use crate::engine::of_this_thread;
use crate::guard::{guard, report};
use crate::own;
use crate::status::{Failure, rws_error, rws_status};
use crate::tsan::{self, Place};
use crate::types::{User, rws_buf, rws_bytes, slice};
use bytes::Bytes;
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::{Opcode, utf8};
use std::ffi::c_void;

/// The application's memory, and what to do when nobody needs it any more.
struct Wrapped {
    payload: &'static [u8],
    release: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: User,
}

impl AsRef<[u8]> for Wrapped {
    fn as_ref(&self) -> &[u8] {
        self.payload
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        if let Some(release) = self.release {
            tsan::acquire(Place::Buffer(self.payload.as_ptr()));
            // SAFETY: the application gave both for each other, and this is the only call: a value
            // is dropped once. It may come on any thread, and the function must not unwind: so says
            // the contract of rws_buf_wrap.
            tsan::outside(|| unsafe { release(self.arg.0) });
            tsan::release(Place::End(of_this_thread()));
        }
    }
}

/// The opcode, if such a message can be sent: RFC 6455 §5.5 for control frames, §8.1 for text.
fn sendable(op: rws_opcode, payload: &[u8], flags: u32) -> Result<Opcode, Failure> {
    let opcode = match Opcode::from_wire(op) {
        Some(opcode) if !matches!(opcode, Opcode::Continuation | Opcode::Close) => opcode,
        _ => return Err(Failure::invalid(format!("opcode {op} is not that of a whole message"))),
    };
    if flags & !RWS_PLAIN != 0 {
        return Err(Failure::invalid(format!("flags {flags:#x}: 0 or RWS_PLAIN")));
    }
    let too_big = |text| Err(Failure::new(rws_status::RWS_E_TOO_BIG, 0, text));
    if opcode.is_control() && payload.len() > 125 {
        return too_big("a control frame holds at most 125 bytes");
    }
    if u32::try_from(payload.len()).is_err() {
        return too_big("a message holds less than 4 GiB");
    }
    if opcode == Opcode::Text && utf8::check(payload).is_err() {
        return Err(Failure::new(rws_status::RWS_E_UTF8, 0, "the text is not UTF-8"));
    }
    Ok(opcode)
}

fn flagged(message: Outgoing, flags: u32) -> Outgoing {
    if flags & RWS_PLAIN == 0 { message } else { message.into_plain() }
}

/// A place for the reference that is handed out.
pub(crate) fn place(out: *mut *mut rws_buf) -> Result<(), Failure> {
    if out.is_null() { Err(Failure::invalid("no place for the message")) } else { Ok(()) }
}

/// Copies data. op: any but RWS_CONTINUATION. flags: 0 or RWS_PLAIN. RWS_E_UTF8: RWS_TEXT that is
/// none. RWS_E_TOO_BIG: 4 GiB or more, or over 125 bytes in a Ping or Pong.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_buf_new(
    op: rws_opcode,
    data: *const c_void,
    len: usize,
    flags: u32,
    out: *mut *mut rws_buf,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        place(out)?;
        // SAFETY: the caller's bytes, read before this returns.
        let payload = unsafe { slice(data, len) }?;
        let opcode = sendable(op, payload, flags)?;
        let made = own::share(flagged(Outgoing::copied(opcode, payload), flags));
        // SAFETY: not null, as `place` has seen, so there is room for the pointer.
        unsafe { own::write(out, made) };
        Ok(())
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}

/// As rws_buf_new, without a copy: data stays as it is until release, which is called once, on
/// whatever thread drops the last reference: see Threads; NULL: data stays for ever. On failure
/// data is still yours and release is not called.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_buf_wrap(
    op: rws_opcode,
    data: *const c_void,
    len: usize,
    flags: u32,
    release: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
    out: *mut *mut rws_buf,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        place(out)?;
        // SAFETY: the caller promises that the bytes stay until `release`, so for as long as
        // `Wrapped` lives, which calls it.
        let payload = unsafe { slice(data, len) }?;
        let opcode = sendable(op, payload, flags)?;
        let wrapped = Bytes::from_owner(Wrapped { payload, release, arg: User(arg) });
        let made = own::share(flagged(Outgoing::wrapped(opcode, wrapped), flags));
        // SAFETY: not null, as `place` has seen, so there is room for the pointer.
        unsafe { own::write(out, made) };
        Ok(())
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}

/// What is in it: borrowed, there for as long as you hold a reference; {NULL, 0} if b is NULL.
/// Its opcode is written to op_out, unless that, or b, is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_buf_data(b: *const rws_buf, op_out: *mut rws_opcode) -> rws_bytes {
    guard(|| {
        // SAFETY: null, or a reference that the caller holds while it uses the result.
        let Ok(message) = (unsafe { own::borrow(b) }) else { return rws_bytes::ABSENT };
        // SAFETY: null or for us to write.
        unsafe { own::write(op_out, message.opcode() as rws_opcode) };
        message.payload().into()
    })
}

/// One reference more; returns b.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_buf_retain(b: *mut rws_buf) -> *mut rws_buf {
    // SAFETY: null, or a reference that the caller holds, so that its count is at least one.
    guard(|| unsafe { own::retain(b) })
}

/// One less; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_buf_release(b: *mut rws_buf) {
    guard(|| {
        // SAFETY: null, or a reference that the caller holds.
        if let Ok(message) = unsafe { own::borrow(b.cast_const()) } {
            tsan::release(Place::Buffer(message.payload().as_ptr()));
        }
        // SAFETY: null, or a reference that the caller holds and does not use again.
        unsafe { own::release(b) }
    })
}
