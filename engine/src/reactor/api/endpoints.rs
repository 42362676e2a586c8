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
        self.served.push(served)
    }

    /// Gives it back, and what it refers to.
    pub(crate) fn remove(&mut self, index: u32) {
        let (handler, origins) = (Arc::clone(&self.nobody), Origins::Same);
        let limits = Limits::default();
        let per_address = AddressLimits::default();
        let tls = None;
        self.served.set(index, Served { handler, limits, origins, per_address, tls, user: 0 });
        self.vacant.push(index);
    }

    pub(crate) fn handler(&self, index: u32) -> &dyn Handler {
        &*self.served.of(index).handler
    }
}
