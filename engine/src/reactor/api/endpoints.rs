//! Whom connections belong to: the endpoints that are listened on, which stay, and those of
//! connections that we make, whose places are used again.

use crate::conn::Limits;
use crate::proto::Origins;
use crate::reactor::api::contract::{Context, Handler};
use crate::reactor::api::setup::Served;
use crate::reactor::core::addresses::AddressLimits;
use crate::reactor::core::endpoints::ByEndpoint;
use std::sync::Arc;

/// Nobody is called.
struct Nobody;

impl Handler for Nobody {}

/// The table of a reactor. Its limits and origins are in `Context`, at the same indices.
pub(crate) struct Endpoints {
    pub(crate) served: ByEndpoint<Served>,
    vacant: Vec<u32>,
    nobody: Arc<dyn Handler>,
}

impl Endpoints {
    /// Endpoints with their routes behind them, which are endpoints, too; for each, the one that is
    /// listened on; and for those, where their routes begin.
    pub(crate) fn with_routes(listened: Vec<Served>) -> (Vec<Served>, Vec<u32>, Vec<u32>) {
        let mut homes: Vec<u32> = (0..listened.len() as u32).collect();
        let (mut all, mut firsts) = (listened.clone(), Vec::new());
        for (home, served) in listened.iter().enumerate() {
            firsts.push(all.len() as u32);
            if let Some(routed) = &served.routes {
                all.extend(routed.served.iter().cloned());
                homes.resize(all.len(), home as u32);
            }
        }
        (all, homes, firsts)
    }

    pub(crate) fn new(served: Vec<Served>) -> Self {
        let served = ByEndpoint::new(served);
        Self { served, vacant: Vec::new(), nobody: Arc::new(Nobody) }
    }

    /// A place for connections of a target.
    pub(crate) fn insert(&mut self, ctx: &mut Context, served: Served) -> u32 {
        let limits = served.limits;
        if let Some(index) = self.vacant.pop() {
            self.served.set(index, served);
            ctx.limits.set(index, limits);
            return index;
        }
        ctx.limits.push(limits);
        // Of requests; these connections get none.
        ctx.origins.push(Origins::Same);
        ctx.per_address.push(AddressLimits::default());
        ctx.doors.push(None);
        let index = self.served.push(served);
        ctx.homes.push(index);
        index
    }

    /// Gives it back, and what it refers to.
    pub(crate) fn remove(&mut self, index: u32) {
        let (handler, origins) = (Arc::clone(&self.nobody), Origins::Same);
        let limits = Limits::default();
        let per_address = AddressLimits::default();
        let (door, proxies, tls, routes, user) = (None, None, None, None, 0);
        let served =
            Served { handler, limits, origins, per_address, door, proxies, tls, user, routes };
        self.served.set(index, served);
        self.vacant.push(index);
    }

    pub(crate) fn handler(&self, index: u32) -> &dyn Handler {
        &*self.served.of(index).handler
    }
}
