//! What a reactor is made of that calls nobody: slots, the timing wheel, counters, names, mail.

pub(crate) mod appetite;
pub(crate) mod arena;
pub(crate) mod counter;
pub(crate) mod counters;
pub(crate) mod directory;
pub(crate) mod endpoints;
pub(crate) mod gauge;
pub(crate) mod inbox;
pub(crate) mod key;
pub(crate) mod lines;
#[cfg(feature = "tls")]
pub(crate) mod link;
pub mod log;
pub(crate) mod mail;
pub(crate) mod mailbox;
pub(crate) mod name;
pub(crate) mod own;
pub(crate) mod peer;
pub(crate) mod receive_mode;
pub(crate) mod secure;
pub(crate) mod served;
pub(crate) mod slab;
pub(crate) mod timers;
pub(crate) mod topics;
pub(crate) mod wheel;
