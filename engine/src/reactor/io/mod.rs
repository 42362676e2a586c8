//! What is asked of the kernel: accepts, receives, sends, the end of a connection and of the
//! engine.

pub(crate) mod accept;
pub(crate) mod backlogs;
pub(crate) mod carried;
pub(crate) mod direct;
pub(crate) mod lifetime;
pub(crate) mod listeners;
pub(crate) mod mail;
pub(crate) mod moves;
pub(crate) mod parting;
pub(crate) mod passing;
pub(crate) mod proxied;
pub(crate) mod receive_mode;
pub(crate) mod reconcile;
pub(crate) mod relieve;
pub(crate) mod rest;
pub(crate) mod stop;
pub(crate) mod teardown;
pub(crate) mod topics;
pub(crate) mod transport;
