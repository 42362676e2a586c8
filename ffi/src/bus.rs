//! The bus to other machines, over whatever broker the application has a client of.

use crate::constants::{RWS_GAP_LOST, RWS_GAP_RESTARTED, RWS_GAP_SILENT, RWS_GAP_UNHEARD};
use crate::engine::from_outside;
use crate::guard::{report, status};
use crate::own;
use crate::sized::{self, Sized};
use crate::status::{Failure, rws_error, rws_status};
use crate::tsan;
use crate::types::{User, rws_bytes, rws_engine};
use ringws_engine::broker::{Bus, BusConfig, Call, Cause, Gap, Inbound, Port, Received};
use std::ffi::{c_int, c_void};
use std::mem::offset_of;

/// Messages of a topic that its members on this engine will not get: see Machines
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_gap {
    /// the engine that has published them
    pub node: u64,
    /// and in which of its lives
    pub epoch: u64,
    /// the number of the first that is missing, among all that it has published on the topic
    pub first: u64,
    /// that of the last; 0: nobody can tell how many there are, if any
    pub last: u64,
    /// RWS_GAP_*
    pub cause: u32,
    /// 0
    pub reserved: u32,
}

impl From<&Gap> for rws_gap {
    fn from(gap: &Gap) -> Self {
        let cause = match gap.cause {
            Cause::Lost => RWS_GAP_LOST,
            Cause::Silent => RWS_GAP_SILENT,
            Cause::Restarted => RWS_GAP_RESTARTED,
            Cause::Unheard => RWS_GAP_UNHEARD,
        };
        let (node, epoch) = (gap.origin.node, gap.origin.epoch);
        Self { node, epoch, first: gap.first, last: gap.last.unwrap_or(0), cause, reserved: 0 }
    }
}

/// A client of a broker: brings frames to other engines. Its functions are called by one thread,
/// the bus's own; they may call rws_bus_* and rws_engine_*, but none that waits
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_bus {
    /// RWS_INIT
    pub size: u32,
    /// 0
    pub flags: u32,
    /// From now on frames of the topic are wanted here (on: 1), or not any more (0). Told once:
    /// remember it when you connect anew. The first one is of the empty name, which all engines
    /// want
    pub interest: Option<unsafe extern "C" fn(topic: rws_bytes, on: c_int, user: *mut c_void)>,
    /// A frame is to be brought to all engines that want its topic; both are lent. Those of one
    /// topic must not overtake each other. May lose it: then the others are told. While it does
    /// not return messages wait, up to queue_max
    pub publish:
        Option<unsafe extern "C" fn(topic: rws_bytes, frame: rws_bytes, user: *mut c_void)>,
    /// last; may be NULL
    pub close: Option<unsafe extern "C" fn(user: *mut c_void)>,
    /// theirs
    pub user: *mut c_void,
    /// This engine's number in the cluster, no other's at the same time, so not the same in both
    /// processes of a hand-over; default: by lot. One that comes back under its number is known to
    /// have ended before. Of those that you give, gaps say who it was
    pub node: u64,
    /// topics that begin with it cross machines, others stay here; copied; default: all
    pub prefix: rws_bytes,
    /// bytes of messages that may wait for the bus; beyond it a publish says RWS_E_FULL, and nobody
    /// gets it. Default 16 MiB
    pub queue_max: u32,
    /// How long after the last message of a topic its number is repeated, 10 to 60 000, and again
    /// up to four times as far apart: by then what was lost last is found out. Default 1 000
    pub heartbeat_ms: u32,
    /// how long a topic must be quiet until nothing more is said of it, at least four times that;
    /// default 30 000
    pub forget_ms: u32,
    /// For so long after its first member has joined, what comes on a topic may begin in the
    /// middle; from then on all that is published must come, or is a gap. Default 2 000
    pub settle_ms: u32,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_bus {
    const SIZE_MIN: usize = offset_of!(rws_bus, node);
}

/// The application's client.
struct Client {
    interest: unsafe extern "C" fn(rws_bytes, c_int, *mut c_void),
    publish: unsafe extern "C" fn(rws_bytes, rws_bytes, *mut c_void),
    close: Option<unsafe extern "C" fn(*mut c_void)>,
    user: User,
}

impl Bus for Client {
    fn run(self: Box<Self>, mut port: Port) {
        let Self { interest, publish, close, user } = *self;
        loop {
            match port.wait() {
                Call::Interest { topic, on } => {
                    // SAFETY: the name is lent until the call returns; it must not unwind.
                    tsan::outside(|| unsafe { interest((&*topic).into(), on.into(), user.0) });
                }
                Call::Send { topic, frame } => {
                    let (topic, frame) = ((&*topic).into(), frame.as_slice().into());
                    // SAFETY: both are lent until the call returns; it must not unwind.
                    tsan::outside(|| unsafe { publish(topic, frame, user.0) });
                }
                Call::Stop => break,
            }
        }
        if let Some(close) = close {
            // SAFETY: the function must not unwind.
            tsan::outside(|| unsafe { close(user.0) });
        }
    }
}

/// Topics cross machines over this from rws_engine_start on: before it, once. See Machines.
/// RWS_E_INVALID: no interest or no publish, or a time out of its range. RWS_E_STATE: started, or
/// there is a bus already.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_engine_bus(
    e: *mut rws_engine,
    bus: *const rws_bus,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        // SAFETY: a live engine, and a struct as its size says, or null.
        let (engine, bus) = unsafe { (from_outside(e)?, sized::read(bus)?) };
        if bus.flags != 0 {
            return Err(rws_status::RWS_E_UNSUPPORTED.into());
        }
        let (Some(interest), Some(publish)) = (bus.interest, bus.publish) else {
            return Err(Failure::invalid("rws_bus: interest and publish must be there"));
        };
        // SAFETY: the caller's bytes.
        let prefix = unsafe { bus.prefix.as_slice() }?.to_vec();
        let rws_bus { node, queue_max, heartbeat_ms, forget_ms, settle_ms, .. } = bus;
        let config = BusConfig { node, prefix, queue_max, heartbeat_ms, forget_ms, settle_ms };
        let client = Client { interest, publish, close: bus.close, user: User(bus.user) };
        Ok(engine.set_bus(config, Box::new(client))?)
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}

fn inbound(engine: &ringws_engine::engine::Engine) -> Result<Inbound, rws_status> {
    engine.inbound().ok_or(rws_status::RWS_E_STATE)
}

/// A frame that another engine has sent, to the members here; lent. Those of one publisher and
/// topic in their order; what comes twice is found out. RWS_E_FULL: too much waits for them; it is
/// dropped, and they are told (on_gap). RWS_E_INVALID: it is no such frame; dropped, and counted.
/// RWS_E_STATE: no bus.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_bus_deliver(
    e: *mut rws_engine,
    topic: rws_bytes,
    frame: rws_bytes,
) -> rws_status {
    status(|| {
        // SAFETY: a live engine, or null, and the caller's bytes.
        let (engine, topic, frame) =
            unsafe { (own::borrow(e)?, topic.as_slice()?, frame.as_slice()?) };
        match inbound(engine)?.deliver(topic, frame) {
            Received::Full => Err(rws_status::RWS_E_FULL),
            Received::Malformed(_) => Err(rws_status::RWS_E_INVALID),
            _ => Ok(rws_status::RWS_OK),
        }
    })
}

/// The broker is reached and has been told all interests: what is published goes out, in frames of
/// at most frame_max bytes. Again when you have connected anew, without rws_bus_down before it.
/// RWS_E_INVALID: less than 256. RWS_E_STATE: no bus.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_bus_up(e: *mut rws_engine, frame_max: u32) -> rws_status {
    status(|| {
        // SAFETY: a live engine, or null.
        let engine = unsafe { own::borrow(e) }?;
        if frame_max < 256 {
            return Err(rws_status::RWS_E_INVALID);
        }
        inbound(engine)?.up(frame_max as usize);
        Ok(rws_status::RWS_OK)
    })
}

/// It is not, and why, for the log. What is published reaches the members here; the others are told
/// that they miss it once it is up again. RWS_E_STATE: no bus.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_bus_down(e: *mut rws_engine, why: rws_bytes) -> rws_status {
    status(|| {
        // SAFETY: a live engine, or null, and the caller's bytes.
        let (engine, why) = unsafe { (own::borrow(e)?, why.as_slice()?) };
        inbound(engine)?.down(&String::from_utf8_lossy(why));
        Ok(rws_status::RWS_OK)
    })
}
