//! `rws_config`: sizes and hooks of an engine.

use crate::bus::rws_gap;
use crate::callbacks::lend;
use crate::constants::{
    RWS_BACKEND_AUTO, RWS_BACKEND_EPOLL, RWS_BACKEND_URING, RWS_CFG_PIN, RWS_CFG_SQPOLL,
};
use crate::engine::of_this_thread;
use crate::history::rws_history;
use crate::sized::{self, Sized};
use crate::status::rws_status;
use crate::tsan;
use crate::types::{User, rws_bytes, rws_conn, rws_engine, rws_reactor};
use ringws_engine::broker::{OnBus, State};
use ringws_engine::config::{Backend, Config, GapHook, Hook, LateHook, Log, TopicHook};
use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::sync::Arc;

/// sizes and hooks of an engine; NULL: all defaults
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_config {
    /// RWS_INIT
    pub size: u32,
    /// threads, at most 255; default: one per CPU that the process may run on (its affinity mask)
    pub reactors: u32,
    /// Per reactor, those that it makes too, below 2^24; default 65 536. Lowered to what
    /// RLIMIT_NOFILE allows: on_log is told
    pub connections_max: u32,
    /// per reactor, a power of two from 16 to 32 768; default 1 024
    pub recv_buffers: u32,
    /// bytes of each, 64 to 16 MiB; default 16 384
    pub recv_buffer_size: u32,
    /// RWS_CFG_*
    pub flags: u32,
    /// First on each reactor's thread. Timers, and rws_engine_* for this reactor, work; others
    /// may not be there yet: RWS_E_STATE
    pub on_start: Option<unsafe extern "C" fn(r: *mut rws_reactor, user: *mut c_void)>,
    /// Last, once for each on_start: connections have ended, jobs have run, no call is taken any
    /// more, timers left never run
    pub on_stop: Option<unsafe extern "C" fn(r: *mut rws_reactor, user: *mut c_void)>,
    /// on the threads of reactors and of the bus, from rws_engine_start on; level: RWS_LOG_*
    pub on_log: Option<unsafe extern "C" fn(level: c_int, line: rws_bytes, user: *mut c_void)>,
    /// theirs, and rws_reactor_user's at first
    pub user: *mut c_void,
    /// Look for work for so long before sleeping, at most 1 000 000: the CPU is busy meanwhile.
    /// Default: sleep at once
    pub busy_poll_us: u32,
    /// per reactor, bytes of all RWS_OPT_TAKEOVER contexts; default 64 MiB
    pub codec_memory_max: u32,
    /// Sleep for at least so long unless 64 events come or a timer is due, at most 1 000 000: less
    /// CPU, more latency; no event waits for longer. Default: the first event wakes
    pub coalesce_us: u32,
    /// bytes of a topic's name, at most 65 535; default 256
    pub topic_bytes_max: u32,
    /// A topic has got its first member on a reactor (begins: 1), or lost its last one there (0):
    /// for a bus to other machines. Behind the callback that was the cause, in order; each that
    /// begins also ends, before on_stop
    pub on_topic: Option<
        unsafe extern "C" fn(
            r: *mut rws_reactor,
            topic: rws_bytes,
            begins: c_int,
            user: *mut c_void,
        ),
    >,
    /// topics that a connection may be in, at most 1 048 576; default 1 024
    pub topics_max: u32,
    /// Of the reactors, how many have no thread: the first ones. rws_engine_attach makes each on
    /// one of yours, whose loop runs it; RWS_CFG_*, busy_poll_us and coalesce_us are not for them
    pub attached: u32,
    /// Bytes that the engine may hold for its peers, at least 1 MiB; default: half of what the
    /// process may use, which is the machine's memory, or the limit of its cgroup if that is
    /// less. UINT64_MAX: no limit. See Budget
    pub memory_max: u64,
    /// Once, if rws_engine_start has succeeded: every reactor has ended and on_stop has returned
    /// on each, also if one has failed, and within rws_engine_free. On the thread of the last
    /// one, which ends with it. No thread needs to be in rws_engine_wait, which would say
    /// RWS_E_STATE here; on a thread of yours it now returns, and says how it ended. Tell one to
    /// call rws_engine_free, which does nothing here
    pub on_stopped: Option<unsafe extern "C" fn(e: *mut rws_engine, user: *mut c_void)>,
    /// RWS_BACKEND_*: by what means the kernel is asked. rws_engine_backend says what it has come
    /// to
    pub backend: u32,
    /// 0
    pub reserved: u32,
    /// The members of a topic on this reactor will not get what was published on another engine:
    /// see Machines. Once on each reactor that has members, behind the callback that it was found
    /// in; the gap is lent. To tell them publish on a topic of this reactor's own, which stays
    /// here: on the topic itself all hear it, everywhere, as often as reactors were told
    pub on_gap: Option<
        unsafe extern "C" fn(
            r: *mut rws_reactor,
            topic: rws_bytes,
            gap: *const rws_gap,
            user: *mut c_void,
        ),
    >,
    /// The bus to other machines is up (1), or down (0), and why; not at the engine's end. At first
    /// it is down, untold. On the thread of the bus, or the one that calls rws_bus_up or _down
    pub on_bus: Option<unsafe extern "C" fn(up: c_int, why: rws_bytes, user: *mut c_void)>,
    /// topics with a history, of several that name a topic the first; copied; default: none
    pub histories: *const rws_history,
    /// how many; NULL: 0
    pub histories_len: usize,
    /// Bytes kept of all topics together, beside memory_max; beyond it less is kept than histories
    /// say. Default: an eighth of memory_max, or 64 MiB if that is less
    pub history_bytes_max: u64,
    /// A member that has come back (rws_join_from) does without something that has left the history
    /// before it was sent, or one that has come from another process may have missed something: see
    /// Succession. On its reactor, behind the callback that it was found in
    pub on_late: Option<
        unsafe extern "C" fn(r: *mut rws_reactor, c: rws_conn, topic: rws_bytes, user: *mut c_void),
    >,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_config {
    const SIZE_MIN: usize = offset_of!(rws_config, on_start);
}

impl rws_config {
    /// The engine's configuration; the default for null.
    ///
    /// # Safety
    /// `from` is null or names an `rws_config` as its `size` says.
    pub(crate) unsafe fn read(from: *const Self) -> Result<Config, rws_status> {
        if from.is_null() {
            return Ok(Config::default());
        }
        // SAFETY: not null, so the caller has promised an `rws_config` as its `size` says.
        let config = unsafe { sized::read(from) }?;
        let backend = match config.backend {
            RWS_BACKEND_AUTO => Backend::Auto,
            RWS_BACKEND_URING => Backend::Uring,
            RWS_BACKEND_EPOLL => Backend::Epoll,
            _ => return Err(rws_status::RWS_E_UNSUPPORTED),
        };
        let unknown = config.flags & !(RWS_CFG_PIN | RWS_CFG_SQPOLL);
        if unknown != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED);
        }
        if config.histories.is_null() && config.histories_len > 0 {
            return Err(rws_status::RWS_E_INVALID);
        }
        // SAFETY: so many, as the caller has promised, with prefixes as their lengths say.
        let rule = |index| unsafe { config.histories.add(index).read().read() };
        let history = (0..config.histories_len).map(rule).collect::<Result<_, _>>()?;
        Ok(Config {
            reactors: config.reactors,
            connections_max: config.connections_max,
            recv_buffers: config.recv_buffers,
            recv_buffer_size: config.recv_buffer_size,
            backend,
            pin: config.flags & RWS_CFG_PIN != 0,
            sqpoll: config.flags & RWS_CFG_SQPOLL != 0,
            busy_poll_us: config.busy_poll_us,
            codec_memory_max: config.codec_memory_max,
            coalesce_us: config.coalesce_us,
            topic_bytes_max: config.topic_bytes_max,
            topics_max: config.topics_max,
            memory_max: config.memory_max,
            attached: config.attached,
            on_topic: topic_hook(config.on_topic, User(config.user)),
            on_gap: gap_hook(config.on_gap, User(config.user)),
            on_bus: bus_hook(config.on_bus, User(config.user)),
            history,
            history_bytes_max: config.history_bytes_max,
            on_late: late_hook(config.on_late, User(config.user)),
            on_start: hook(config.on_start, User(config.user)),
            on_stop: hook(config.on_stop, User(config.user)),
            on_stopped: stopped_hook(config.on_stopped, User(config.user)),
            log: log(config.on_log, User(config.user)),
            user: User(config.user).to_word(),
        })
    }
}

fn hook(
    call: Option<unsafe extern "C" fn(*mut rws_reactor, *mut c_void)>,
    user: User,
) -> Option<Hook> {
    let call = call?;
    Some(Arc::new(move |ctx| {
        let user = user;
        tsan::taken(ctx.index());
        // SAFETY: the reactor is lent until the call returns; the function must not unwind.
        tsan::outside(|| unsafe { call(lend(ctx), user.0) });
    }))
}

fn stopped_hook(
    call: Option<unsafe extern "C" fn(*mut rws_engine, *mut c_void)>,
    user: User,
) -> Option<Arc<dyn Fn() + Send + Sync>> {
    let call = call?;
    Some(Arc::new(move || {
        let user = user;
        tsan::ended();
        // SAFETY: the engine is there until its reactors have been joined; this is one of their
        // threads. The function must not unwind.
        tsan::outside(|| unsafe { call(of_this_thread(), user.0) });
    }))
}

fn topic_hook(
    call: Option<unsafe extern "C" fn(*mut rws_reactor, rws_bytes, c_int, *mut c_void)>,
    user: User,
) -> Option<TopicHook> {
    let call = call?;
    Some(Arc::new(move |ctx, topic, begins| {
        let user = user;
        tsan::taken(ctx.index());
        // SAFETY: reactor and name are lent until the call returns; the function must not unwind.
        tsan::outside(|| unsafe { call(lend(ctx), topic.into(), c_int::from(begins), user.0) });
    }))
}

fn gap_hook(
    call: Option<unsafe extern "C" fn(*mut rws_reactor, rws_bytes, *const rws_gap, *mut c_void)>,
    user: User,
) -> Option<GapHook> {
    let call = call?;
    Some(Arc::new(move |ctx, topic, gap| {
        let user = user;
        tsan::taken(ctx.index());
        let gap = rws_gap::from(gap);
        // SAFETY: reactor, name and gap are lent until the call returns; it must not unwind.
        tsan::outside(|| unsafe { call(lend(ctx), topic.into(), &raw const gap, user.0) });
    }))
}

fn late_hook(
    call: Option<unsafe extern "C" fn(*mut rws_reactor, rws_conn, rws_bytes, *mut c_void)>,
    user: User,
) -> Option<LateHook> {
    let call = call?;
    Some(Arc::new(move |ctx, conn, topic| {
        let user = user;
        tsan::taken(ctx.index());
        // SAFETY: reactor and name are lent until the call returns; it must not unwind.
        tsan::outside(|| unsafe { call(lend(ctx), conn.into(), topic.into(), user.0) });
    }))
}

fn bus_hook(
    call: Option<unsafe extern "C" fn(c_int, rws_bytes, *mut c_void)>,
    user: User,
) -> Option<OnBus> {
    let call = call?;
    Some(Arc::new(move |state| {
        let user = user;
        let (up, why) = match state {
            State::Up => (1, ""),
            State::Down(why) => (0, why.as_str()),
        };
        // SAFETY: the text is lent until the call returns; the function must not unwind.
        tsan::outside(|| unsafe { call(up, why.as_bytes().into(), user.0) });
    }))
}

fn log(
    call: Option<unsafe extern "C" fn(c_int, rws_bytes, *mut c_void)>,
    user: User,
) -> Option<Log> {
    let call = call?;
    Some(Arc::new(move |level, line| {
        let user = user;
        // SAFETY: the line is lent until the call returns; the function must not unwind.
        tsan::outside(|| unsafe { call(level as c_int, line.as_bytes().into(), user.0) });
    }))
}
