//! Whose TLS handshake goes on next.

use crate::ring::Token;
use std::collections::VecDeque;

/// Slots that wait to go on with their handshakes, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Handshakes(pub(crate) VecDeque<Token>);

impl Handshakes {
    /// Whether some wait for the next turn.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        !self.0.is_empty()
    }
}
