//! The load generator: one thread, one ring, every byte that comes back checked.

pub mod closed;
mod conn;
pub mod connect;
pub mod idle;
