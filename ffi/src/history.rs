//! Topics with a history, and members that come back.

use crate::constants::RWS_HISTORY_STAMP;
use crate::guard::{guard, status};
use crate::own;
use crate::status::rws_status;
use crate::types::{rws_bytes, rws_conn, rws_engine, rws_reactor};
use ringws_engine::config::HistoryRule;
use ringws_engine::reactor::Resumed;
use std::ffi::c_char;

/// topics of which is kept what was published, and how much of it: see Histories
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_history {
    /// topics that begin with these bytes; copied; default: all
    pub prefix: rws_bytes,
    /// bytes kept of each topic, with what there is around each message; default 1 MiB
    pub bytes_max: u32,
    /// messages kept of each topic; default: as many as there is room for
    pub messages_max: u32,
    /// how long each is kept, and a topic without members and messages is remembered; 10 to
    /// 86 400 000; default 60 000
    pub age_ms: u32,
    /// RWS_HISTORY_*
    pub flags: u32,
}

impl rws_history {
    /// The engine's rule.
    ///
    /// # Safety
    /// The prefix is as its length says.
    pub(crate) unsafe fn read(&self) -> Result<HistoryRule, rws_status> {
        if self.flags & !RWS_HISTORY_STAMP != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED);
        }
        let Self { bytes_max, messages_max, age_ms, flags, .. } = *self;
        // SAFETY: as the caller has promised.
        let prefix = unsafe { self.prefix.as_slice() }?.to_vec();
        let stamp = flags & RWS_HISTORY_STAMP != 0;
        Ok(HistoryRule { prefix, bytes_max, messages_max, age_ms, stamp })
    }
}

/// As rws_join, for a member that comes back, with the position that it has kept, which may be
/// anything: see Histories. What it has missed is sent when the callback has returned, and then
/// what is published from now on. RWS_LATE: it is a member, and gets what there is, but not all
/// that it has missed, or that cannot be proved; if that shows later, on_late is told. RWS_E_STATE:
/// it is one already, and goes on as it was, or another reactor's connection. RWS_E_INVALID: no
/// position, or no name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_join_from(
    r: *mut rws_reactor,
    c: rws_conn,
    topic: rws_bytes,
    position: rws_bytes,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null, and the caller's bytes.
        let (ctx, topic, position) =
            unsafe { (own::lent(r)?, topic.as_slice()?, position.as_slice()?) };
        match ctx.join_from(c.into(), topic, position)? {
            Resumed::Complete => Ok(rws_status::RWS_OK),
            Resumed::TooLate => Ok(rws_status::RWS_LATE),
            Resumed::Before => Err(rws_status::RWS_E_STATE),
        }
    })
}

/// What a member of this reactor has been sent of a topic so far, for rws_join_from: a text of
/// some 50 bytes for each engine that has published on it, where node is by lot for each start of
/// one, without characters that a URL may not have, written as snprintf does. Its whole length;
/// 0: no history, no topic, or another reactor's connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_topic_position(
    r: *mut rws_reactor,
    c: rws_conn,
    topic: rws_bytes,
    out: *mut c_char,
    size: usize,
) -> usize {
    guard(|| {
        // SAFETY: the lent reactor or null, and the caller's bytes.
        let (Ok(ctx), Ok(topic)) = (unsafe { own::lent(r) }, unsafe { topic.as_slice() }) else {
            return 0;
        };
        let position = ctx.position(c.into(), topic).ok().flatten().unwrap_or_default();
        // SAFETY: the caller's room.
        unsafe { own::write_text(&position, out, size) }
    })
}

/// What was published on a topic so far, from any thread: as rws_topic_position. For what is read
/// elsewhere, from a database: ask for this first, so that nothing is missing behind it. A topic
/// that a rule names has a history from then on, for age_ms at least, and with a bus hears the
/// others: see Histories; for that alone out may be NULL, with size 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_topic_position(
    e: *mut rws_engine,
    topic: rws_bytes,
    out: *mut c_char,
    size: usize,
) -> usize {
    guard(|| {
        // SAFETY: a live engine or null, and the caller's bytes.
        let (Ok(engine), Ok(topic)) = (unsafe { own::borrow(e) }, unsafe { topic.as_slice() })
        else {
            return 0;
        };
        let position = engine.handle().position(topic).ok().flatten().unwrap_or_default();
        // SAFETY: the caller's room.
        unsafe { own::write_text(&position, out, size) }
    })
}
