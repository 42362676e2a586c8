//! Whom connections belong to: the endpoints that are listened on, which stay, and those of
//! connections that we make, whose places are used again.

use super::ctx::Context;
use super::handler::Handler;
use super::setup::Served;
use crate::conn::Limits;
use crate::proto::Origins;
use std::sync::Arc;

/// Nobody is called.
struct Nobody;

impl Handler for Nobody {}

/// The table of a reactor. Its limits and origins are in `Context`, at the same indices.
pub(super) struct Endpoints {
    pub(super) served: Vec<Served>,
    vacant: Vec<u32>,
    nobody: Arc<dyn Handler>,
}

impl Endpoints {
    pub(super) fn new(served: Vec<Served>) -> Self {
        Self { served, vacant: Vec::new(), nobody: Arc::new(Nobody) }
    }

    /// A place for connections of a target.
    pub(super) fn insert(&mut self, ctx: &mut Context, served: Served) -> u32 {
        let limits = served.limits;
        if let Some(index) = self.vacant.pop() {
            self.served[index as usize] = served;
            ctx.limits[index as usize] = limits;
            return index;
        }
        self.served.push(served);
        ctx.limits.push(limits);
        // Of requests; these connections get none.
        ctx.origins.push(Origins::Same);
        (self.served.len() - 1) as u32
    }

    /// Gives it back, and what it refers to.
    pub(super) fn remove(&mut self, index: u32) {
        let (handler, origins) = (Arc::clone(&self.nobody), Origins::Same);
        let limits = Limits::default();
        self.served[index as usize] = Served { handler, limits, origins, tls: None, user: 0 };
        self.vacant.push(index);
    }

    pub(super) fn handler(&self, index: u32) -> &dyn Handler {
        &*self.served[index as usize].handler
    }
}
