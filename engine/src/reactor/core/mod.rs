//! What a reactor is made of that calls nobody: slots, the timing wheel, counters, names.

pub(crate) mod counters;
pub(crate) mod endpoints;
pub(crate) mod gauge;
pub(crate) mod key;
pub mod log;
pub(crate) mod name;
pub(crate) mod served;
pub(crate) mod slab;
pub(crate) mod wheel;
