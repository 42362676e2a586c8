//! What an application sees: the handler that it implements, what a callback is lent, and the
//! handle for other threads.

pub(crate) mod adopt;
pub(crate) mod bus;
pub(crate) mod call;
pub(crate) mod closed;
pub(crate) mod context;
pub(crate) mod contract;
pub(crate) mod crossing;
pub(crate) mod endpoints;
pub(crate) mod handle;
pub(crate) mod history;
pub(crate) mod later;
pub(crate) mod metrics;
pub(crate) mod publish;
pub(crate) mod queues;
pub(crate) mod setup;
pub(crate) mod succession;
pub(crate) mod timers;
pub(crate) mod topics;
pub(crate) mod turns;
pub(crate) mod upgrade;
