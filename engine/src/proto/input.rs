//! A cursor over received bytes that hands them out piece by piece, for good.

/// Received bytes not yet consumed. What is taken is disjoint from what remains, so a piece can be
/// held (and changed in place) while the rest is parsed.
#[derive(Debug, Default)]
pub struct Input<'b> {
    rest: &'b mut [u8],
}

impl<'b> Input<'b> {
    /// Everything in `bytes`, nothing consumed.
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not yet consumed.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether all is consumed.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Looks at what remains without consuming it.
    pub fn peek(&self) -> &[u8] {
        self.rest
    }

    /// The same, to be changed in place.
    pub fn peek_mut(&mut self) -> &mut [u8] {
        self.rest
    }

    /// Consumes the first `n` bytes, or all of them when fewer remain.
    pub fn take(&mut self, n: usize) -> &'b mut [u8] {
        let all = std::mem::take(&mut self.rest);
        let (taken, rest) = all.split_at_mut(n.min(all.len()));
        self.rest = rest;
        taken
    }
}
