//! The queue of a connection: what newer messages replace, what becomes of those for which there is
//! no room, and how old it is.

use crate::constants::*;
use crate::guard::{guard, status};
use crate::own;
use crate::status::rws_status;
use crate::types::{rws_buf, rws_conn, rws_reactor};
use ringws_engine::conn::{QueuePolicy, WhenFull};
use ringws_engine::memory::Outgoing;
use ringws_engine::proto::Opcode;

/// A policy by its number.
pub(crate) fn when_full(number: u32) -> Result<WhenFull, rws_status> {
    match number {
        RWS_WHEN_FULL_REFUSE => Ok(WhenFull::Refuse),
        RWS_WHEN_FULL_DROP_NEWEST => Ok(WhenFull::DropNewest),
        RWS_WHEN_FULL_DROP_OLDEST => Ok(WhenFull::DropOldest),
        RWS_WHEN_FULL_CLOSE => Ok(WhenFull::Close),
        RWS_WHEN_FULL_ABORT => Ok(WhenFull::Abort),
        _ => Err(rws_status::RWS_E_UNSUPPORTED),
    }
}

/// Queues a message by reference, in the place of the one that waits for the connection under the
/// same key, if that has not begun to leave: a slow reader of a ticker gets the newest price, not
/// all of them. b: RWS_TEXT or RWS_BINARY; others: RWS_E_INVALID. key: any number, of this
/// connection. What is sent so keeps the order in which its keys were queued; what other calls
/// queue, also later, may leave before it. It leaves behind a message begun with RWS_MORE, and
/// before a Close. What is replaced is counted: rws_stats.replaced. RWS_OK, RWS_FULL,
/// RWS_E_CLOSING: as rws_send. RWS_E_FULL, RWS_DROPPED: not queued, and what waits under the key
/// still does; not where b is no longer than that. How old what a slow reader gets can be, for so
/// many bytes a second that it reads: all that waits under keys, and unsent_max, and what the
/// peer's own buffer holds, divided by that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_send_latest(
    r: *mut rws_reactor,
    c: rws_conn,
    key: u64,
    b: *const rws_buf,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor and a live reference, or null.
        let (ctx, message) = unsafe { (own::lent(r)?, own::borrow(b)?) };
        must_have_a_latest(message)?;
        Ok(ctx.send_latest(c.into(), key, message)?.into())
    })
}

/// Only whole messages of data wait under keys.
pub(crate) fn must_have_a_latest(message: &Outgoing) -> Result<(), rws_status> {
    match message.opcode() {
        Opcode::Text | Opcode::Binary => Ok(()),
        _ => Err(rws_status::RWS_E_INVALID),
    }
}

/// For how many milliseconds the oldest message has waited that rws_buffered counts; 0 if none
/// does, if stale or another reactor's. The grain is a turn of the loop; where more than 256 KiB
/// wait, such a batch. Under a key: since when the key waits, however new its message is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_queue_age_ms(r: *mut rws_reactor, c: rws_conn) -> u32 {
    // SAFETY: the lent reactor or null.
    guard(|| unsafe { own::lent(r) }.map_or(0, |ctx| ctx.queue_age_ms(c.into())))
}

/// What was dropped so far, as dropped of rws_close_info will say; 0 if stale or another reactor's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_conn_dropped(r: *mut rws_reactor, c: rws_conn) -> u32 {
    // SAFETY: the lent reactor or null.
    guard(|| unsafe { own::lent(r) }.map_or(0, |ctx| ctx.dropped(c.into())))
}

/// From now on this in the place of what its rws_options say: when_full: RWS_WHEN_FULL_*;
/// send_queue_max, queue_age_max_ms: 0: that of rws_options. Short messages then cost a little
/// more. RWS_E_STATE: another reactor's connection: post to it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_set_when_full(
    r: *mut rws_reactor,
    c: rws_conn,
    when_full: u32,
    send_queue_max: u32,
    queue_age_max_ms: u32,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null.
        let ctx = unsafe { own::lent(r) }?;
        let or_none = |value: u32| (value != 0).then_some(value);
        let policy = QueuePolicy {
            when_full: self::when_full(when_full)?,
            send_queue_max: or_none(send_queue_max),
            queue_age_max_ms: or_none(queue_age_max_ms),
        };
        ctx.set_queue_policy(c.into(), policy)?;
        Ok(rws_status::RWS_OK)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_have_numbers() {
        assert_eq!(when_full(0), Ok(WhenFull::Refuse));
        assert_eq!(when_full(RWS_WHEN_FULL_ABORT), Ok(WhenFull::Abort));
        assert_eq!(when_full(RWS_WHEN_FULL_ABORT + 1), Err(rws_status::RWS_E_UNSUPPORTED));
    }
}
