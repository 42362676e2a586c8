//! The bus's thread: between the topics of an engine and the client of a broker, whichever that is.
//!
//! What is told to other engines, and how it is found out what got lost on the way, is `bus`. Here
//! it gets a thread, a clock and a queue.

mod port;
mod settings;
mod wire;

pub use crate::bus::{Call, Cause, Gap, Name, Origin, Received};
pub use port::{Inbound, Port};
pub use settings::{BusConfig, OnBus, State};

#[cfg(feature = "sim")]
pub(crate) use port::Link;
pub(crate) use settings::origin;
pub(crate) use wire::Wire;

/// A client of a broker. It lives on a thread of its own, which the engine makes and joins.
pub trait Bus: Send {
    /// Does what [`Port::next_call`] says, and hands what comes to [`Port::inbound`], until it has
    /// been given [`Call::Stop`]. When it returns before, or panics, the bus stays down: what is
    /// published reaches the members here.
    fn run(self: Box<Self>, port: Port);
}
