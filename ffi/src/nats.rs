//! `rws_engine_nats`: topics cross machines over a NATS broker.

use crate::engine::from_outside;
use crate::guard::report;
use crate::sized::{self, Sized};
use crate::status::{Failure, rws_error, rws_status};
use crate::types::{rws_bytes, rws_engine, rws_tls};
use ringws_engine::broker::BusConfig;
use std::ffi::c_char;
use std::mem::offset_of;

#[cfg(not(feature = "nats"))]
#[path = "nats/absent.rs"]
mod made;
#[cfg(feature = "nats")]
mod made;

/// a NATS broker, and who we are to it; strings are NUL-terminated, copied, and NULL where a
/// default is meant
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_nats_options {
    /// RWS_INIT
    pub size: u32,
    /// RWS_NATS_*
    pub flags: u32,
    /// "nats://host:port", "tls://host:port" or "host:port", several of one cluster with commas
    /// between; the port is 4222 unless one is given
    pub servers: *const c_char,
    /// what all subjects begin with: engines that have it in common hear each other. Tokens with
    /// dots between, at most 128 bytes; default "ringws"
    pub subject_prefix: *const c_char,
    /// what the broker's monitoring calls us; default "ringws"
    pub name: *const c_char,
    /// Who we are, in one of four ways at most: with password
    pub user: *const c_char,
    /// with user
    pub password: *const c_char,
    /// a token
    pub token: *const c_char,
    /// the seed of a user's key pair, "SU..."
    pub nkey_seed: *const c_char,
    /// the path of a file of credentials, as nsc writes it; read again for every connection
    pub credentials: *const c_char,
    /// a client's: by TLS under these settings, and else not at all; the options keep their own
    /// reference. NULL: by TLS where the server asks for it, or its scheme is tls, trusting whom
    /// the system trusts
    pub tls: *mut rws_tls,
    /// what the server's certificate must be for; default: the host that is connected to
    pub tls_name: *const c_char,
    /// when no server can be reached all are tried again after a random part of so long at first,
    /// doubled each time; default 100
    pub reconnect_min_ms: u32,
    /// up to this; default 10 000. A broker that refuses our credentials is asked again after this
    /// and a random part of it
    pub reconnect_max_ms: u32,
    /// until a server must have accepted, greeted and let us in; default 5 000
    pub connect_timeout_ms: u32,
    /// A broker that has been silent for so long is asked for a sign of life, and lost if it
    /// stays silent for as long again; default 10 000
    pub ping_interval_ms: u32,
    /// bytes that are taken out of the engine's queue ahead of what the broker has read; default
    /// 1 MiB, at least 4 KiB
    pub pending_max: u32,
    /// as in rws_bus, with its default
    pub queue_max: u32,
    /// as in rws_bus, with its default
    pub heartbeat_ms: u32,
    /// as in rws_bus, with its default
    pub forget_ms: u32,
    /// as in rws_bus, with its default
    pub settle_ms: u32,
    /// 0
    pub reserved: u32,
    /// as in rws_bus, with its default
    pub node: u64,
    /// as prefix in rws_bus, with its default
    pub topic_prefix: rws_bytes,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_nats_options {
    const SIZE_MIN: usize = offset_of!(rws_nats_options, reconnect_min_ms);
}

impl rws_nats_options {
    /// What is said of any bus.
    ///
    /// # Safety
    /// `topic_prefix` can be read.
    unsafe fn config(&self) -> Result<BusConfig, Failure> {
        let Self { node, queue_max, heartbeat_ms, forget_ms, settle_ms, .. } = *self;
        // SAFETY: as the caller says.
        let prefix = unsafe { self.topic_prefix.as_slice() }?.to_vec();
        Ok(BusConfig { node, prefix, queue_max, heartbeat_ms, forget_ms, settle_ms })
    }
}

/// Topics cross machines over a NATS broker from rws_engine_start on, which waits for none: before
/// it, in the place of rws_engine_bus. *err says which field is wrong: RWS_E_INVALID; or
/// RWS_E_UNSUPPORTED: a library without NATS, which the default one is. RWS_E_STATE: started, or
/// there is a bus already.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn rws_engine_nats(
    e: *mut rws_engine,
    options: *const rws_nats_options,
    err: *mut rws_error,
) -> rws_status {
    let body = || {
        // SAFETY: a live engine, and a struct as its size says whose pointers are null or name what
        // they say, or null.
        let (engine, options) = unsafe { (from_outside(e)?, sized::read(options)?) };
        // SAFETY: as just said.
        let (bus, config) = unsafe { (made::bus(&options)?, options.config()?) };
        Ok(engine.set_bus(config, bus)?)
    };
    // SAFETY: null or for us to write.
    unsafe { report(err, body) }
}
