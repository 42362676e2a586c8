//! The kinds of fault: each sets one, keeps it for a while and takes it away.

mod clients;
mod limits;
mod process;

use super::scene::Scene;
use super::{Kind, LIMITS, Limits};
use crate::error::Result;

/// All of them.
pub const KINDS: &[Kind] = &[
    limits::DESCRIPTORS,
    limits::TABLE,
    process::CLIENTS_STOPPED,
    process::SERVER_STOPPED,
    process::CLIENTS_KILLED,
    clients::RESETS,
];

fn nothing() -> Option<String> {
    None
}

fn as_it_is(_: &mut Scene<'_>) -> Result<()> {
    Ok(())
}

/// What most kinds share.
const PLAIN: Kind =
    Kind { name: "", what: "", lacks: nothing, prepare: as_it_is, act: as_it_is, limits: LIMITS };

/// Where the fault hits all: that everything comes is what is asked, not when.
const ALL_WAIT: Limits = Limits { p99_ms: None, ..LIMITS };
