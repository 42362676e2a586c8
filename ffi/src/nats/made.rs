//! A library with NATS.

use super::rws_nats_options;
use crate::constants::{RWS_NATS_IN_ORDER, RWS_NATS_NO_DISCOVERY};
use crate::own;
use crate::status::{Failure, rws_status};
use crate::types::optional;
use ringws_engine::broker::Bus;
use ringws_engine::nats::{Invalid, Nats, Options};
use std::ffi::c_char;

impl From<Invalid> for Failure {
    fn from(error: Invalid) -> Self {
        Self::invalid(error.to_string())
    }
}

/// The client of a broker.
///
/// # Safety
/// The pointers of `options` are null or name what they say.
pub(super) unsafe fn bus(options: &rws_nats_options) -> Result<Box<dyn Bus>, Failure> {
    // SAFETY: as the caller says.
    Ok(Box::new(Nats::new(unsafe { read(options) }?)?))
}

/// # Safety
/// The pointers of `options` are null or name what they say.
unsafe fn read(options: &rws_nats_options) -> Result<Options, Failure> {
    if options.flags & !(RWS_NATS_IN_ORDER | RWS_NATS_NO_DISCOVERY) != 0 || options.reserved != 0 {
        return Err(rws_status::RWS_E_UNSUPPORTED.into());
    }
    let text = |field: &str, text: *const c_char| {
        // SAFETY: null or NUL-terminated, as the caller says.
        let text = unsafe { optional(text) };
        let text = text.map_err(|_| Failure::invalid(format!("{field}: not UTF-8")))?;
        Ok::<_, Failure>(text.map(str::to_owned))
    };
    let servers = text("servers", options.servers)?.unwrap_or_default();
    let servers = servers.split(',').map(str::trim).filter(|server| !server.is_empty());
    let tls = if options.tls.is_null() {
        None
    } else {
        // SAFETY: a live reference, as the caller says.
        Some(unsafe { own::borrow(options.tls) }?.client()?)
    };
    Ok(Options {
        servers: servers.map(str::to_owned).collect(),
        in_order: options.flags & RWS_NATS_IN_ORDER != 0,
        no_discovery: options.flags & RWS_NATS_NO_DISCOVERY != 0,
        name: text("name", options.name)?.unwrap_or_default(),
        subject_prefix: text("subject_prefix", options.subject_prefix)?.unwrap_or_default(),
        user: text("user", options.user)?,
        password: text("password", options.password)?,
        token: text("token", options.token)?,
        nkey_seed: text("nkey_seed", options.nkey_seed)?,
        credentials: text("credentials", options.credentials)?.map(Into::into),
        tls,
        tls_name: text("tls_name", options.tls_name)?,
        reconnect_min_ms: options.reconnect_min_ms,
        reconnect_max_ms: options.reconnect_max_ms,
        connect_timeout_ms: options.connect_timeout_ms,
        ping_interval_ms: options.ping_interval_ms,
        pending_max: options.pending_max,
    })
}
