//! The load generator: one thread, one ring, every byte that comes back checked.

mod answers;
pub mod broadcast;
mod check;
pub mod churn;
pub mod closed;
mod conn;
pub mod connect;
pub mod control;
pub mod idle;
mod meter;
pub mod open;
pub mod threads;
mod transport;
mod wire;
