//! Topics across machines over a NATS broker: a [`Bus`] whose frames are messages of NATS core.
//!
//! The client is our own, since all of it is a dozen lines of text each way, and what has to hold
//! is not what clients are made for. All subscriptions must have been taken by the server before
//! the bus is up, which only a PONG behind them says; receiving must go on while sending waits, in
//! memory that is bounded in bytes, with one place where a frame can be dropped and counted; and a
//! subscription costs the entry of a table, not a queue of its own.
//!
//! - `codec`, `info`, `session` (what is said), `subject`, `interests` and `pool` (who is next)
//!   have no I/O; `stream` is a socket that does not block; `client` is the thread that waits for
//!   it and for the engine.
//! - What cannot be sent stays in the engine's queue, which is bounded and refuses publishes:
//!   `pending_max` is all that is taken out of it ahead of the broker.
//! - What has come is delivered where it was received. If the engine has no room for it, it is
//!   dropped, and the next number shows it.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used))]

mod address;
mod client;
mod codec;
mod home;
mod info;
mod interests;
mod link;
mod nkey;
mod online;
mod options;
mod pool;
mod session;
mod stream;
mod subject;
mod tell;

pub use options::{Invalid, Options};

use crate::broker::{Bus, Call, Port};
use crate::config::Level;
use client::{Client, bell, random};
use home::Home;
use options::Checked;
use pool::Pool;
use tell::Tell;

/// A client of a NATS broker, which connects when it runs. For
/// [`Engine::set_bus`](crate::engine::Engine::set_bus).
pub struct Nats(Checked);

impl Nats {
    /// Checks the options; connects to nobody yet.
    ///
    /// # Errors
    /// Which field cannot be used, and why.
    pub fn new(options: Options) -> Result<Self, Invalid> {
        Ok(Self(options.check()?))
    }
}

impl Bus for Nats {
    fn run(self: Box<Self>, mut port: Port) {
        let Self(options) = *self;
        let inbound = port.inbound();
        let to = inbound.clone();
        let tell = Tell::new(Box::new(move |level, text| to.log(level, text)));
        match bell() {
            Ok(bell) => {
                let pauses = (options.reconnect_min, options.reconnect_max);
                let pool = Pool::new(&options.servers, options.in_order, pauses, random);
                let home = Home::new(options, pool, inbound, tell);
                Client::new(home, port, bell).run();
            }
            Err(errno) => {
                tell.line(Level::Error, format_args!("no descriptor is left: {errno}"));
                while port.wait() != Call::Stop {}
            }
        }
    }
}
