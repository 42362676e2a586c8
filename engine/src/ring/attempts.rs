//! The connections that are being made.

use super::Token;
use super::address::Address;
use std::collections::HashMap;

/// A connection that is being made.
pub(super) struct Attempt {
    /// Where to. In place until the operation has ended: boxed.
    pub(super) to: Box<Address>,
    /// Once it is there.
    pub(super) socket: Option<u32>,
    pub(super) cancelled: bool,
}

/// The connections that are being made.
#[derive(Default)]
pub(super) struct Attempts(pub(super) HashMap<Token, Attempt>);
