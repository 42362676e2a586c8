//! Topics across machines, without I/O: what engines tell each other through a message broker, and
//! how each finds out what the broker has lost.
//!
//! A broker that forwards what is published at the moment (NATS core, Redis) drops messages without
//! a word when a connection breaks or somebody reads too slowly. So every message says who has
//! published it ([`Origin`]), and its number among all that this engine has published on the topic
//! ([`Number`]). Numbers that are missing are a [`Gap`]. Three more kinds of frames make that
//! complete:
//!
//! - **Heartbeats** carry the last number, so that a lost last message shows, too. They are
//!   promised: each frame says when the next one comes at the latest, and an engine that keeps
//!   silent beyond that leaves an open gap: it may have published before it fell silent.
//! - **An end** is the last heartbeat of a topic that has been quiet for long. Nothing is owed
//!   after it, until the topic is published on again, with numbers that go on above.
//! - **A sync** goes to all engines when somebody here begins to be interested in topics, or the
//!   broker is reached again. Whoever publishes on these answers with a heartbeat. It takes the
//!   way that messages take, so it proves that they come through, and says from where on.
//!
//! [`Node`] is one engine's part of it. It owns no thread, no clock and no socket: `broker` gives
//! it these, and the simulator drives several of them.

mod counts;
mod envelope;
mod gap;
mod heard;
mod node;
pub(crate) mod plant;
pub(crate) mod position;
mod said;
#[cfg(test)]
mod tests;

pub use counts::Counts;
pub use envelope::{Delivery, Envelope, Kind, Malformed, Manner};
pub use gap::{Cause, Gap, Number, Origin};
pub use node::{Call, Full, Node, Received, Settings, Topics};
#[cfg(feature = "sim")]
pub use plant::Plant;

pub use position::{LogName, Position, Unreadable};

use std::sync::Arc;

/// The bytes that name a topic.
pub type Name = Arc<[u8]>;

/// The topic that all engines hear: syncs go there.
pub const EVERYBODY: &[u8] = b"";
