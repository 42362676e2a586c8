//! The kinds of fault: each sets one, keeps it for a while and takes it away.

mod clients;
mod host;
mod limits;
mod links;
mod machine;
mod peers;
mod process;

use super::scene::Scene;
use super::{Kind, LIMITS, Limits, Plan};
use crate::error::Result;

/// All of them.
pub const KINDS: &[Kind] = &[
    limits::DESCRIPTORS,
    limits::TABLE,
    process::CLIENTS_STOPPED,
    process::SERVER_STOPPED,
    process::CLIENTS_KILLED,
    clients::RESETS,
    peers::WINDOW,
    peers::TLS,
    peers::BACKLOG,
    machine::MEMORY,
    machine::PAGE_CACHE,
    machine::NICE,
    machine::STOLEN,
    machine::BUFFERS,
    links::LOSS,
    links::DELAY,
    links::REORDER,
    links::SPOILED,
    links::NARROW,
    links::FLAPS,
    links::HALF_OPEN,
    links::KEEPALIVE,
    links::DOWN,
    links::ONE_WAY,
    host::CLOCK,
    host::LOG,
    host::FORK,
    host::PORTS,
    host::STOP,
    host::DENIED,
    host::DENIED_LATER,
];

fn nothing(_: &Plan) -> Option<String> {
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
