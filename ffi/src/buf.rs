//! `rws_buf`: outgoing messages made once and sent many times.

use crate::constants::{RWS_PLAIN, rws_opcode};
use crate::guard::guard;
use crate::own;
use crate::types::{User, rws_buf, slice};
use bytes::Bytes;
use ringws_engine::buffer::Outgoing;
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
            // SAFETY: promised to be called once, on any thread; it must not unwind.
            unsafe { release(self.arg.0) }
        }
    }
}

/// The opcode, if such a message can be sent: RFC 6455 §5.5 for control frames, §8.1 for text.
fn sendable(op: rws_opcode, payload: &[u8], flags: u32) -> Option<Opcode> {
    let opcode = match Opcode::from_wire(op)? {
        Opcode::Text => utf8::check(payload).ok().map(|()| Opcode::Text)?,
        Opcode::Continuation | Opcode::Close => return None,
        opcode => opcode,
    };
    let fits = if opcode.is_control() { payload.len() <= 125 } else { fits_a_message(payload) };
    (fits && flags & !RWS_PLAIN == 0).then_some(opcode)
}

fn fits_a_message(payload: &[u8]) -> bool {
    u32::try_from(payload.len()).is_ok()
}

fn outgoing(opcode: Opcode, payload: Bytes, flags: u32) -> Outgoing {
    match flags & RWS_PLAIN {
        0 => Outgoing::new(opcode, payload),
        _ => Outgoing::plain(opcode, payload),
    }
}

/// Copies. flags: 0 or RWS_PLAIN. NULL: not a message that could be sent, as rws_send would say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_buf_new(
    op: rws_opcode,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> *mut rws_buf {
    guard(|| {
        // SAFETY: the caller's bytes, read before this returns.
        let Ok(payload) = (unsafe { slice(data, len) }) else { return std::ptr::null_mut() };
        match sendable(op, payload, flags) {
            Some(opcode) => own::share(outgoing(opcode, Bytes::copy_from_slice(payload), flags)),
            None => std::ptr::null_mut(),
        }
    })
}

/// Does not copy: data stays as it is until release, which is called on any thread, exactly once;
/// NULL: never. When this returns NULL, data is still yours and release is not called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_buf_wrap(
    op: rws_opcode,
    data: *const c_void,
    len: usize,
    flags: u32,
    release: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
) -> *mut rws_buf {
    guard(|| {
        // SAFETY: the caller promises that the bytes stay until `release`.
        let Ok(payload) = (unsafe { slice(data, len) }) else { return std::ptr::null_mut() };
        let Some(opcode) = sendable(op, payload, flags) else { return std::ptr::null_mut() };
        let wrapped = Bytes::from_owner(Wrapped { payload, release, arg: User(arg) });
        own::share(outgoing(opcode, wrapped, flags))
    })
}

/// One reference more; returns b.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_buf_retain(b: *mut rws_buf) -> *mut rws_buf {
    // SAFETY: null or a live reference of the caller's.
    guard(|| unsafe { own::retain(b) })
}

/// One reference less; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_buf_release(b: *mut rws_buf) {
    // SAFETY: null or a live reference that the caller gives up.
    guard(|| unsafe { own::release(b) })
}
