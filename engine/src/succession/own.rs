//! What both processes have.

use super::relay::Relay;
use super::wire::Described;
use crate::listen::SocketFile;
use crate::reactor::log::{Level, Log};
use crate::reactor::{Handle, Takes};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

/// The endpoints of this engine, as they were asked for.
pub(crate) struct Own {
    pub(crate) endpoints: Vec<Described>,
    /// For each of them, and then for each route.
    pub(crate) takes: Vec<Takes>,
    pub(crate) files: Arc<Mutex<Vec<SocketFile>>>,
    pub(crate) handle: Handle,
    pub(crate) log: Option<Log>,
}

/// The process before this one.
pub(crate) struct Predecessor {
    pub(crate) relay: Arc<Relay>,
    /// Its endpoints, their sockets, and which of ours goes on with each.
    pub(crate) endpoints: Vec<(Described, Vec<OwnedFd>, Option<usize>)>,
}

impl Own {
    pub(crate) fn line(&self, level: Level, text: std::fmt::Arguments<'_>) {
        if let Some(log) = &self.log {
            log(level, &format!("succession: {text}"));
        }
    }

    /// All endpoints and then all routes, in the order of their numbers: the endpoint, and which of
    /// its routes it is.
    pub(crate) fn numbered(endpoints: &[Described]) -> Vec<(usize, Option<usize>)> {
        let homes = (0..endpoints.len()).map(|home| (home, None));
        let routes = endpoints.iter().enumerate().flat_map(|(home, endpoint)| {
            (0..endpoint.routes.len()).map(move |route| (home, Some(route)))
        });
        homes.chain(routes).collect()
    }
}
