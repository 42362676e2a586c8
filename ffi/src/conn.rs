//! `rws_conn`: calls inside a callback.

use crate::address::rws_address;
use crate::constants::{RWS_ANY_REACTOR, RWS_BINARY, RWS_MORE, RWS_PLAIN, RWS_TEXT, rws_opcode};
use crate::guard::{guard, status, unseen};
use crate::own;
use crate::status::rws_status;
use crate::types::{User, rws_buf, rws_bytes, rws_conn, rws_reactor, slice};
use ringws_engine::conn::{SendError, SendFlags};
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{CallError, Conn, Context};
use ringws_engine::simd::{ONE_BLOCK, TWO_ENDS_MAX};
use std::ffi::c_void;

/// A frame to send, checked as far as it can be without its connection.
pub(crate) struct Frame<'a> {
    pub(crate) opcode: Opcode,
    pub(crate) payload: &'a [u8],
    pub(crate) flags: SendFlags,
}

/// Checks the arguments of a send.
///
/// # Safety
/// As [`slice`].
pub(crate) unsafe fn frame<'a>(
    op: rws_opcode,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> Result<Frame<'a>, rws_status> {
    // Close has a function of its own: its payload has a form.
    let opcode = Opcode::from_wire(op).filter(|&opcode| opcode != Opcode::Close);
    let opcode = opcode.ok_or(rws_status::RWS_E_INVALID)?;
    let more = flags & RWS_MORE != 0;
    // RFC 6455 §5.5: control frames are not fragmented.
    if flags & !(RWS_MORE | RWS_PLAIN) != 0 || more && opcode.is_control() {
        return Err(rws_status::RWS_E_INVALID);
    }
    // SAFETY: `slice` asks for no more than the caller has promised of `data` and `len`.
    let payload = unsafe { slice(data, len) }?;
    Ok(Frame { opcode, payload, flags: SendFlags { more, plain: flags & RWS_PLAIN != 0 } })
}

/// Checks the arguments of a close, RFC 6455 §7.4 and §5.5.
///
/// # Safety
/// As [`slice`].
pub(crate) unsafe fn code_and_reason<'a>(
    code: u16,
    reason: rws_bytes,
) -> Result<(CloseCode, &'a str), rws_status> {
    // SAFETY: the caller has promised that the reason's bytes can be read and stay as they are.
    let reason = std::str::from_utf8(unsafe { reason.as_slice() }?);
    Ok((CloseCode(code), reason.map_err(|_| rws_status::RWS_E_UTF8)?))
}

/// A code that must not be sent is a bad argument, not a bad moment.
pub(crate) fn close_error(error: CallError) -> rws_status {
    match error {
        CallError::Send(SendError::Sequence) => rws_status::RWS_E_INVALID,
        error => error.into(),
    }
}

/// For what cannot be forwarded: `RWS_E_STATE` where the thing belongs to another reactor, which
/// is alive perhaps. What no reactor of the engine has is gone.
pub(crate) fn must_be_here(ctx: &Context, id: u64, reactor: u32) -> Result<(), rws_status> {
    match id {
        0 => Err(rws_status::RWS_E_GONE),
        _ if reactor == ctx.index() => Ok(()),
        _ if reactor < ctx.engine().reactors() => Err(rws_status::RWS_E_STATE),
        _ => Err(rws_status::RWS_E_GONE),
    }
}

/// The number of the reactor that a connection belongs to, which its callbacks run on: compare it
/// with rws_reactor_index, or post to it. Also of one that has ended; RWS_ANY_REACTOR if id is 0.
#[unsafe(no_mangle)]
pub extern "C" fn rws_conn_reactor(c: rws_conn) -> u32 {
    match c.id {
        0 => RWS_ANY_REACTOR,
        id => Conn::from_bits(id).reactor(),
    }
}

/// Queues one frame; copies data. flags: RWS_MORE, RWS_PLAIN.
/// RWS_OK: queued. RWS_FULL: queued too, whole, and now over send_queue_max: hold back until
/// on_drain.
/// RWS_E_FULL: not queued, since more than that waits already: again after on_drain (of a
/// connection of another reactor see Statuses: rws_conn_reactor tells). Pings and Pongs may
/// exceed it by 64 KiB.
/// RWS_DROPPED: not queued but dropped and counted: see Queues.
/// RWS_E_CLOSING: a Close was sent or has come: nothing more can be sent, on_close follows.
/// RWS_E_STATE: RWS_CONTINUATION without RWS_MORE of a callback before it, or another message
/// before the end of one that callbacks have begun. Behind another thread's it waits: RWS_OK,
/// RWS_FULL.
/// RWS_E_UTF8: RWS_TEXT that is none, fragments together. RWS_E_TOO_BIG: as rws_buf_new.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_send(
    r: *mut rws_reactor,
    c: rws_conn,
    op: rws_opcode,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> rws_status {
    // SAFETY: all three ways ask for what the header asks of a caller of this function: a lent
    // reactor or null, and data that can be read.
    unsafe {
        match len {
            ..ONE_BLOCK => send_tiny(r, c, op, data, len, flags),
            ONE_BLOCK..=TWO_ENDS_MAX if answered(r, c, op, data, len, flags) => rws_status::RWS_OK,
            _ => send(r, c, op, data, len, flags),
        }
    }
}

/// Apart, because it needs more registers than those that a call may use up.
///
/// # Safety
/// As [`send`].
#[inline(never)]
unsafe fn send_tiny(
    r: *mut rws_reactor,
    c: rws_conn,
    op: rws_opcode,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> rws_status {
    // SAFETY: both ways ask for the same as this function: a lent reactor or null, and data that
    // can be read.
    unsafe {
        match len {
            ..ONE_BLOCK if answered(r, c, op, data, len, flags) => rws_status::RWS_OK,
            _ => send(r, c, op, data, len, flags),
        }
    }
}

/// The short way of [`send`], for what is usually sent from a callback: at most `TWO_ENDS_MAX`
/// bytes. Cannot panic.
///
/// # Safety
/// As [`send`].
#[inline(always)]
unsafe fn answered(
    r: *mut rws_reactor,
    c: rws_conn,
    op: rws_opcode,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> bool {
    let opcode = match op {
        RWS_TEXT => Opcode::Text,
        RWS_BINARY => Opcode::Binary,
        _ => return false,
    };
    if flags != 0 || data.is_null() {
        return false;
    }
    // SAFETY: the reactor is null or lent to the callback that calls this; data is not null, as was
    // just seen, so the caller has promised `len` bytes, which are fewer than an object can have.
    let (ctx, payload) = unsafe { (own::lent(r), std::slice::from_raw_parts(data.cast(), len)) };
    match ctx {
        Ok(ctx) => ctx.answer(c.into(), opcode, payload),
        Err(_) => false,
    }
}

/// Apart, so that the short way needs no stack.
///
/// # Safety
/// `r` is null or was lent to the callback that is running; `data` as [`slice`].
#[inline(never)]
unsafe fn send(
    r: *mut rws_reactor,
    c: rws_conn,
    op: rws_opcode,
    data: *const c_void,
    len: usize,
    flags: u32,
) -> rws_status {
    let body = || {
        // SAFETY: the lent reactor or null, and the caller's bytes.
        let (ctx, frame) = unsafe { (own::lent(r)?, frame(op, data, len, flags)?) };
        Ok(ctx.send(c.into(), frame.opcode, frame.payload, frame.flags)?.into())
    };
    unseen(|| body().unwrap_or_else(|error: rws_status| error))
}

/// Queues a message by reference; your reference stays yours. RWS_OK, RWS_FULL, RWS_E_FULL,
/// RWS_DROPPED, RWS_E_CLOSING: as rws_send. RWS_E_STATE: one that callbacks began with RWS_MORE is
/// not finished.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_send_buf(
    r: *mut rws_reactor,
    c: rws_conn,
    b: *const rws_buf,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor and a live reference, or null.
        let (ctx, message) = unsafe { (own::lent(r)?, own::borrow(b)?) };
        Ok(ctx.send_message(c.into(), message)?.into())
    })
}

/// Begins the closing handshake, after what is queued. code: 1000 to 1003, 1007 to 1014, or 3000
/// to 4999; reason: at most 123 bytes of UTF-8. RWS_CLOSE_NO_STATUS sends an empty Close,
/// without a reason. RWS_E_INVALID: another code, or a reason without one. RWS_E_TOO_BIG,
/// RWS_E_UTF8: the reason. RWS_E_CLOSING: either side has begun already; on_close follows.
/// on_message goes on until the peer's Close has come (RFC 6455 section 5.5.1): it may have been
/// talking. To hear no more, call rws_pause too: what comes then is read and discarded.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_close(
    r: *mut rws_reactor,
    c: rws_conn,
    code: u16,
    reason: rws_bytes,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null, and the caller's bytes.
        let (ctx, (code, reason)) = unsafe { (own::lent(r)?, code_and_reason(code, reason)?) };
        ctx.close(c.into(), code, reason).map_err(close_error)?;
        Ok(rws_status::RWS_OK)
    })
}

/// No handshake, and what is queued is dropped; on_close follows when this callback has returned.
/// rws_get_user, rws_peer and rws_buffered answer until that has returned, all else: RWS_E_GONE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_abort(r: *mut rws_reactor, c: rws_conn) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null.
        unsafe { own::lent(r) }?.abort(c.into())?;
        Ok(rws_status::RWS_OK)
    })
}

/// No on_message until resume: the socket is not read, so TCP holds the peer back. Its Pings are
/// not answered meanwhile, and it may be silent for as long as it likes: idle_timeout_ms then
/// ends the connection only if what is queued to it makes no progress for so long. If the peer
/// resets the connection, on_close comes at once; if it ends its direction, you have
/// idle_timeout_ms to resume and read what is there. Once our Close is queued, what comes is
/// read and discarded, and resuming does not change that. Pausing twice is pausing once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_pause(r: *mut rws_reactor, c: rws_conn) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null.
        unsafe { own::lent(r) }?.pause(c.into())?;
        Ok(rws_status::RWS_OK)
    })
}

/// Reads again. Fine if not paused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_resume(r: *mut rws_reactor, c: rws_conn) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null.
        unsafe { own::lent(r) }?.resume(c.into())?;
        Ok(rws_status::RWS_OK)
    })
}

/// Bytes queued that the kernel has not taken yet; 0 if stale or another reactor's. What it is
/// taking counts until it has taken all of that: 256 KiB of messages or one longer one, and at
/// most 1 MiB. What it has taken and not sent yet does not count: see unsent_max.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_buffered(r: *mut rws_reactor, c: rws_conn) -> usize {
    // SAFETY: the lent reactor or null.
    guard(|| unsafe { own::lent(r) }.map_or(0, |ctx| ctx.buffered(c.into())))
}

/// Microseconds between the last Ping of the engine and its Pong, to a thousandth; 0 while none was
/// answered, and if stale or another reactor's. Pings are sent as idle_timeout_ms and
/// ping_interval_ms say. In on_close too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_rtt_us(r: *mut rws_reactor, c: rws_conn) -> u32 {
    guard(|| {
        // SAFETY: the lent reactor or null.
        let Ok(ctx) = (unsafe { own::lent(r) }) else { return 0 };
        ctx.rtt_us(Conn::from_bits(c.id))
    })
}

/// The peer's address, in on_close too. RWS_E_STATE: another reactor's connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_peer(
    r: *mut rws_reactor,
    c: rws_conn,
    out: *mut rws_address,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null.
        let ctx = unsafe { own::lent(r) }?;
        if out.is_null() {
            return Err(rws_status::RWS_E_INVALID);
        }
        must_be_here(ctx, c.id, rws_conn_reactor(c))?;
        // Only the user word tells a connection without an address from none.
        ctx.user(c.into()).ok_or(rws_status::RWS_E_GONE)?;
        // SAFETY: not null.
        unsafe { own::write(out, ctx.peer(c.into()).into()) };
        Ok(rws_status::RWS_OK)
    })
}

/// What was set last; at first that of the endpoint or the target. NULL: stale, or another
/// reactor's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_get_user(r: *mut rws_reactor, c: rws_conn) -> *mut c_void {
    guard(|| {
        // SAFETY: the lent reactor or null.
        let user = unsafe { own::lent(r) }.ok().and_then(|ctx| ctx.user(c.into()));
        User::from_word(user.unwrap_or(0))
    })
}

/// Handed to each callback of this connection from now on. The old one is yours to free.
/// RWS_E_STATE: another reactor's connection: post to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_set_user(
    r: *mut rws_reactor,
    c: rws_conn,
    user: *mut c_void,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null.
        let ctx = unsafe { own::lent(r) }?;
        // Forwarded it could be refused later, and the caller would not know whose the old one is.
        must_be_here(ctx, c.id, rws_conn_reactor(c))?;
        ctx.set_user(c.into(), User(user).to_word())?;
        Ok(rws_status::RWS_OK)
    })
}
