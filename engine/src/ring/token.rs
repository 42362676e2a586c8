//! The name of a connection slot inside completions.

/// A slot of the reactor's slab and the generation of its tenant. A completion that names an old
/// generation is stale: the slot has been given to another connection since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// Index into the slab; less than 2^24.
    pub slot: u32,
    /// Starts at 1 and grows with each tenant.
    pub generation: u32,
}
