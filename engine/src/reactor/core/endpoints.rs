//! Whom connections belong to: the endpoints that are listened on, which stay, and those of
//! connections that we make, whose places are used again.

use crate::conn::Limits;
use crate::proto::Origins;
use crate::reactor::api::context::Context;
use crate::reactor::api::handler::Handler;
use crate::reactor::api::setup::Served;
use std::sync::Arc;

/// Nobody is called.
struct Nobody;

impl Handler for Nobody {}

/// One of a kind for each endpoint, by its number. The numbers are ours: no peer names one, so one
/// that is wrong is a mistake of this crate.
#[derive(Debug)]
pub(crate) struct ByEndpoint<T>(Vec<T>);

impl<T> ByEndpoint<T> {
    pub(crate) fn new(all: Vec<T>) -> Self {
        Self(all)
    }

    #[inline(always)]
    pub(crate) fn of(&self, endpoint: u32) -> &T {
        &self.0[endpoint as usize]
    }

    fn set(&mut self, endpoint: u32, value: T) {
        self.0[endpoint as usize] = value;
    }

    fn push(&mut self, value: T) -> u32 {
        self.0.push(value);
        (self.0.len() - 1) as u32
    }
}

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
        self.served.push(served)
    }

    /// Gives it back, and what it refers to.
    pub(crate) fn remove(&mut self, index: u32) {
        let (handler, origins) = (Arc::clone(&self.nobody), Origins::Same);
        let limits = Limits::default();
        self.served.set(index, Served { handler, limits, origins, tls: None, user: 0 });
        self.vacant.push(index);
    }

    pub(crate) fn handler(&self, index: u32) -> &dyn Handler {
        &*self.served.of(index).handler
    }
}
