//! `rws_message` and `rws_close_info`: what callbacks are told.

use crate::buf::place;
use crate::constants::{RWS_FIRST, RWS_LAST, cause_of, rws_opcode};
use crate::guard::report;
use crate::own;
use crate::status::{Failure, rws_error, rws_status};
use crate::types::{rws_buf, rws_bytes, rws_reactor, slice};
use ringws_engine::proto::{Opcode, utf8};
use ringws_engine::reactor::{Closed, Message};

/// a message that came
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_message {
    /// borrowed, of any alignment, until the callback returns: rws_message_retain
    pub data: *const u8,
    /// bytes
    pub len: usize,
    /// RWS_TEXT (checked UTF-8; parts may cut characters) or RWS_BINARY
    pub opcode: rws_opcode,
    /// RWS_FIRST | RWS_LAST; no flags of sends, which refuse them
    pub flags: u32,
}

impl From<&Message<'_>> for rws_message {
    fn from(message: &Message<'_>) -> Self {
        let first = if message.first { RWS_FIRST } else { 0 };
        let last = if message.last { RWS_LAST } else { 0 };
        Self {
            data: message.payload.as_ptr(),
            len: alone(message.payload.len()),
            opcode: message.opcode as u8,
            flags: first | last,
        }
    }
}

/// The same number, in a register of its own. Else pointer and length are read as one vector out
/// of the two stores that have just written them, and wait until both have left the store
/// buffer: for small messages that was a tenth of all that is done for them.
#[inline(always)]
fn alone(number: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let mut number = number;
        // SAFETY: the text is a comment, so no instruction is executed: nothing is read, written or
        // jumped to, as the options say.
        unsafe {
            std::arch::asm!(
                "/* {0} */",
                inout(reg) number,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        number
    }
    #[cfg(not(target_arch = "x86_64"))]
    number
}

/// how a connection ended
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_close_info {
    /// from the peer's Close frame; RWS_CLOSE_NO_STATUS or _ABNORMAL if none. All but the latter
    /// can be given to rws_close as they are
    pub code: u16,
    /// from ours, if it has left: the kernel has taken it; else 0
    pub sent_code: u16,
    /// of a connection that rws_engine_connect made: in how many ms it is made again, 0: not;
    /// yours to change: see Retries
    pub retry_ms: u32,
    /// checked UTF-8; borrowed
    pub reason: rws_bytes,
    /// what has gone wrong then, RWS_OK if nothing: see Ends; the text is for your log, and of
    /// RWS_OK says the cause
    pub error: rws_error,
    /// bytes of messages, with their headers, that were queued and that the kernel has not
    /// taken; a send that it has not answered yet counts as a whole
    pub unsent: u64,
    /// bytes of messages that came and were not delivered, because you had paused, or because
    /// memory_max was spent
    pub unread: u64,
    /// messages that its policy has dropped, and calls that were handed over for it (RWS_OK), or
    /// published to it, and dropped
    pub dropped: u32,
    /// RWS_CAUSE_*: what its end has begun with: see Ends
    pub cause: u32,
}

impl From<&Closed<'_>> for rws_close_info {
    fn from(closed: &Closed<'_>) -> Self {
        Self {
            code: closed.info.code.0,
            sent_code: closed.info.sent.map_or(0, |code| code.0),
            retry_ms: closed.retry_ms,
            reason: closed.info.reason.as_bytes().into(),
            error: Failure::from(closed).into(),
            unsent: closed.unsent,
            unread: closed.unread,
            dropped: closed.dropped,
            cause: cause_of(closed.cause),
        }
    }
}

/// Inside on_message: keeps the message beyond it, to read or to send it, as a whole message.
/// Mostly without a copy (else rws_stats.retain_copied counts it): if it lies whole in a receive
/// buffer, or is large. At most half of recv_buffers are kept so; the others go on receiving.
/// RWS_E_UTF8: with RWS_OPT_STREAM, a part of a text that does not begin and end between two
/// characters.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_message_retain(
    r: *mut rws_reactor,
    m: *const rws_message,
    out: *mut *mut rws_buf,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        place(out)?;
        // SAFETY: null, or lent to the callback that is running, which is the one that calls this:
        // the reactor and the message are there until it returns.
        let (ctx, m) = unsafe { (own::lent(r)?, m.as_ref()) };
        let m = m.ok_or_else(|| Failure::invalid("no message"))?;
        // SAFETY: the lent message points at its payload, which stays until the callback returns.
        let payload = unsafe { slice(m.data.cast(), m.len) }?;
        let (first, last) = (m.flags & RWS_FIRST != 0, m.flags & RWS_LAST != 0);
        let opcode = match Opcode::from_wire(m.opcode) {
            // A part may end inside a character; it would be sent as a whole message.
            Some(Opcode::Text) if !(first && last) && utf8::check(payload).is_err() => {
                let text = "this part of a text ends inside a character";
                return Err(Failure::new(rws_status::RWS_E_UTF8, 0, text));
            }
            Some(opcode @ (Opcode::Text | Opcode::Binary)) => opcode,
            _ => return Err(Failure::invalid("neither text nor binary")),
        };
        let kept = own::share(ctx.retain(&Message { opcode, payload, first, last, user: 0 }));
        // SAFETY: not null, as `place` has seen, so there is room for the pointer.
        unsafe { own::write(out, kept) };
        Ok(())
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}
