//! Topics: joining, leaving and publishing.

use crate::engine::of_this_thread;
use crate::guard::{guard, status};
use crate::own;
use crate::queue::{must_have_a_latest, when_full as policy};
use crate::status::rws_status;
use crate::tsan;
use crate::types::{rws_buf, rws_bytes, rws_conn, rws_engine, rws_reactor};
use ringws_engine::reactor::Conn;

/// Who does not get it, if anybody.
fn exception(except: rws_conn) -> Option<Conn> {
    (except.id != 0).then(|| except.into())
}

/// Makes a connection of this reactor a member of a topic, until it leaves or ends: it gets what
/// is published from now on. Fine if it is one already: it gets each message once.
/// RWS_E_TOO_BIG: a name over topic_bytes_max. RWS_E_FULL: it is in topics_max topics.
/// RWS_E_STATE: another reactor's connection: post to it. RWS_E_INVALID: no name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_join(
    r: *mut rws_reactor,
    c: rws_conn,
    topic: rws_bytes,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null, and the caller's bytes.
        let (ctx, topic) = unsafe { (own::lent(r)?, topic.as_slice()?) };
        ctx.join(c.into(), topic)?;
        Ok(rws_status::RWS_OK)
    })
}

/// Ends that. RWS_E_STATE: it is no member, or another reactor's connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_leave(
    r: *mut rws_reactor,
    c: rws_conn,
    topic: rws_bytes,
) -> rws_status {
    status(|| {
        // SAFETY: the lent reactor or null, and the caller's bytes.
        let (ctx, topic) = unsafe { (own::lent(r)?, topic.as_slice()?) };
        match ctx.leave(c.into(), topic)? {
            true => Ok(rws_status::RWS_OK),
            false => Err(rws_status::RWS_E_STATE),
        }
    })
}

/// Sends a message to all members of a topic, on whatever reactor, but `except`, which may be {0}:
/// see Topics. By reference; your reference stays yours. RWS_OK: those of this reactor have it
/// queued, or have refused it, and it is on its way to the others; also if there are none.
/// RWS_E_FULL: too much waits for a reactor that has members (see Statuses): nobody gets it, so
/// try later. RWS_E_TOO_BIG: a name over topic_bytes_max. RWS_E_INVALID: no name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_publish(
    r: *mut rws_reactor,
    topic: rws_bytes,
    b: *const rws_buf,
    except: rws_conn,
) -> rws_status {
    status(|| {
        tsan::hand_over(of_this_thread(), None);
        // SAFETY: the lent reactor, a live reference, or null, and the caller's bytes.
        let (ctx, topic, message) = unsafe { (own::lent(r)?, topic.as_slice()?, own::borrow(b)?) };
        ctx.publish(topic, message, exception(except))?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_publish; for members whose queue is full, when_full (RWS_WHEN_FULL_*) says what is done,
/// in the place of what they have themselves for that: so messages of a topic have a policy of
/// their own. _REFUSE: the member does without. Only what was published with _DROP_OLDEST, or sent
/// under such a policy of the connection, is dropped for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_publish_with(
    r: *mut rws_reactor,
    topic: rws_bytes,
    b: *const rws_buf,
    except: rws_conn,
    when_full: u32,
) -> rws_status {
    status(|| {
        tsan::hand_over(of_this_thread(), None);
        // SAFETY: the lent reactor, a live reference, or null, and the caller's bytes.
        let (ctx, topic, message) = unsafe { (own::lent(r)?, topic.as_slice()?, own::borrow(b)?) };
        ctx.publish_by(topic, message, exception(except), policy(when_full)?)?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_publish; for each member in the place of the message of this key and topic that still
/// waits for it: see rws_send_latest. What is published otherwise may leave before it. b: RWS_TEXT
/// or RWS_BINARY; others: RWS_E_INVALID. Of each member either messages_out counts it, or replaced,
/// or dropped_newest, publish_dropped or publish_closing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_publish_latest(
    r: *mut rws_reactor,
    topic: rws_bytes,
    key: u64,
    b: *const rws_buf,
    except: rws_conn,
) -> rws_status {
    status(|| {
        tsan::hand_over(of_this_thread(), None);
        // SAFETY: the lent reactor, a live reference, or null, and the caller's bytes.
        let (ctx, topic, message) = unsafe { (own::lent(r)?, topic.as_slice()?, own::borrow(b)?) };
        must_have_a_latest(message)?;
        ctx.publish_latest(topic, key, message, exception(except))?;
        Ok(rws_status::RWS_OK)
    })
}

/// How many members a topic has on this reactor alone, now; 0 also for what is no topic. On all:
/// rws_engine_topic_members.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_reactor_topic_members(r: *mut rws_reactor, topic: rws_bytes) -> usize {
    guard(|| {
        // SAFETY: the lent reactor or null, and the caller's bytes.
        match unsafe { (own::lent(r), topic.as_slice()) } {
            (Ok(ctx), Ok(topic)) => ctx.members(topic),
            _ => 0,
        }
    })
}

/// As rws_publish, from any thread. In a callback of a reactor of this engine it is handed over to
/// that: RWS_E_FULL is then not told but counted, in publish_refused.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_publish(
    e: *mut rws_engine,
    topic: rws_bytes,
    b: *const rws_buf,
    except: rws_conn,
) -> rws_status {
    status(|| {
        tsan::hand_over(e, None);
        // SAFETY: a live engine, a live reference, or null, and the caller's bytes.
        let (engine, topic, message) =
            unsafe { (own::borrow(e)?, topic.as_slice()?, own::borrow(b)?) };
        engine.handle().publish(topic, message, exception(except))?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_publish_with, from any thread, as rws_engine_publish.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_publish_with(
    e: *mut rws_engine,
    topic: rws_bytes,
    b: *const rws_buf,
    except: rws_conn,
    when_full: u32,
) -> rws_status {
    status(|| {
        tsan::hand_over(e, None);
        // SAFETY: a live engine, a live reference, or null, and the caller's bytes.
        let (engine, topic, message) =
            unsafe { (own::borrow(e)?, topic.as_slice()?, own::borrow(b)?) };
        engine.handle().publish_by(topic, message, exception(except), policy(when_full)?)?;
        Ok(rws_status::RWS_OK)
    })
}

/// As rws_publish_latest, from any thread, as rws_engine_publish.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_publish_latest(
    e: *mut rws_engine,
    topic: rws_bytes,
    key: u64,
    b: *const rws_buf,
    except: rws_conn,
) -> rws_status {
    status(|| {
        tsan::hand_over(e, None);
        // SAFETY: a live engine, a live reference, or null, and the caller's bytes.
        let (engine, topic, message) =
            unsafe { (own::borrow(e)?, topic.as_slice()?, own::borrow(b)?) };
        must_have_a_latest(message)?;
        engine.handle().publish_latest(topic, key, message, exception(except))?;
        Ok(rws_status::RWS_OK)
    })
}

/// How many members a topic has on all reactors together, a moment ago: they come and go.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_topic_members(e: *mut rws_engine, topic: rws_bytes) -> usize {
    guard(|| {
        // SAFETY: a live engine or null, and the caller's bytes.
        match unsafe { (own::borrow(e), topic.as_slice()) } {
            (Ok(engine), Ok(topic)) => engine.handle().members(topic),
            _ => 0,
        }
    })
}
