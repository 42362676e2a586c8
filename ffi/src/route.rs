//! `rws_route`: paths that act as endpoints of their own.

use crate::callbacks::rws_callbacks;
use crate::endpoint::origins;
use crate::options::rws_options;
use crate::sized;
use crate::status::Failure;
use crate::types::{User, string};
use crate::watched;
use ringws_engine::config::{Endpoint, Route, SocketOptions};
use ringws_engine::conn::Limits;
use std::ffi::{c_char, c_void};
use std::sync::Arc;

/// whom requests and upgrades with certain paths are for; unknown to an endpoint: its own
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_route {
    /// `/exact`, `/by/{name}` (a part between two slashes, not empty) or `/below/{*rest}` (all that
    /// follows, not empty), decoded, without a query; of several that match, the most specific
    pub path: *const c_char,
    /// copied; NULL: the endpoint's. As a whole: those that are NULL in it are not the endpoint's
    pub callbacks: *const rws_callbacks,
    /// as that of an endpoint, which it takes the place of
    pub user: *mut c_void,
    /// Copied; NULL: the endpoint's. Those count up to the end of the head; unsent_max,
    /// kernel_send_max, keepalive_s, user_timeout_ms and busy_poll_us always: RWS_E_INVALID
    pub options: *const rws_options,
    /// as those of an endpoint; NULL: the endpoint's
    pub origins: *const c_char,
}

impl rws_route {
    /// The engine's route, with what it does not say of its endpoint's.
    ///
    /// # Safety
    /// Its pointers are null or name what they say.
    pub(crate) unsafe fn read(&self, of: &Endpoint) -> Result<Route, Failure> {
        // SAFETY: null or NUL-terminated.
        let pattern = unsafe { string(self.path) }.map_err(|_| Failure::invalid("no path"))?;
        let (mut limits, mut handler) = (of.limits, Arc::clone(&of.handler));
        if !self.options.is_null() {
            // SAFETY: not null, so as its size says.
            let (own, socket) = unsafe { rws_options::read(self.options) }?;
            if socket != SocketOptions::default() {
                let why = "what options say of the socket is the endpoint's";
                return Err(Failure::invalid(format!("route \"{pattern}\": {why}")));
            }
            limits = Limits { requests: limits.requests, ..own };
        }
        if !self.callbacks.is_null() {
            // SAFETY: not null, so as their size says.
            let callbacks = unsafe { sized::read(self.callbacks) }?;
            limits.requests = callbacks.on_request.is_some();
            handler = watched::handler(callbacks);
        }
        // SAFETY: null or NUL-terminated.
        let origins = unsafe { origins(self.origins) }?.unwrap_or_else(|| of.origins.clone());
        let (pattern, user) = (pattern.into(), User(self.user).to_word());
        Ok(Route { pattern, handler, limits, origins, user })
    }
}
