//! Connections that we make.

pub(crate) mod connect;
pub(crate) mod dials;
pub(crate) mod greet;
pub(crate) mod refusal;
pub(crate) mod refused;
pub(crate) mod target;
