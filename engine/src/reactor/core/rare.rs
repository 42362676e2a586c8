//! What few connections have.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use super::appetite::Appetite;
#[cfg(feature = "tls")]
use super::link::Link;
use super::name::Later;
use super::proxies::ByProxy;
use super::receive_mode::LargeMessages;
use super::wheel::NodeId;

/// Names no dial.
pub(crate) const NO_DIAL: u32 = u32::MAX;

/// What few connections have: apart, so that the many do not pay for it.
#[derive(Debug)]
pub(crate) struct Rare {
    /// Its TLS, if it has any.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Box<Link>>,
    /// Of one that a proxy has made, until it is open.
    pub(crate) by_proxy: Option<ByProxy>,
    /// Of a connection that we made; else `NO_DIAL`.
    pub(crate) dial: u32,
    pub(crate) large: LargeMessages,
    pub(crate) appetite: Appetite,
    /// Received while paused or in line, or left over when a callback paused or the connection had
    /// had its share of the turn. A copy: a lease must not wait.
    pub(crate) parked: Vec<u8>,
    /// When its time is over, and when it is asked for the round trip.
    pub(crate) lifetime: Option<NodeId>,
    pub(crate) pings: Option<NodeId>,
    /// Of a request that waits for its answer: its name, and bytes that are kept of it.
    pub(crate) later: Option<(Later, usize)>,
    /// What ended the transport; 0 while nothing did.
    pub(crate) errno: i32,
    /// Calls of other threads that were handed over and not carried out, and what was published
    /// and refused.
    pub(crate) mail_dropped: u32,
}

impl Default for Rare {
    fn default() -> Self {
        Self {
            #[cfg(feature = "tls")]
            tls: None,
            by_proxy: None,
            dial: NO_DIAL,
            large: LargeMessages::default(),
            appetite: Appetite::default(),
            parked: Vec::new(),
            lifetime: None,
            pings: None,
            later: None,
            errno: 0,
            mail_dropped: 0,
        }
    }
}

impl Rare {
    /// Whether a new one would be the same.
    pub(crate) fn is_idle(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return false;
        }
        let Self { by_proxy, dial, large, appetite, parked, lifetime, pings, later, .. } = self;
        let nodes = [lifetime, pings];
        by_proxy.is_none()
            && *dial == NO_DIAL
            && *large == LargeMessages::default()
            && *appetite == Appetite::default()
            && parked.is_empty()
            && nodes.iter().all(|node| node.is_none())
            && later.is_none()
            && (self.errno, self.mail_dropped) == (0, 0)
    }
}
