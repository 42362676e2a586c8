//! Connections that we make.

pub(crate) mod connect;
pub(crate) mod dials;
pub(crate) mod refused;
pub mod target;
