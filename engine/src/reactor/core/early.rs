//! When the kernel gets what a turn has asked for so far, without waiting for the rest of it.

/// What is sent to many connections takes more than one system call: the first is made early, so
/// that the first receivers do not wait for what is said to the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Early {
    /// More than these are many: more than one submission holds.
    pub(crate) many: usize,
    /// The first call is made after so few.
    pub(crate) first: usize,
    /// A publication has reached the first of its members, and only those.
    pub(crate) published: bool,
}

impl Default for Early {
    fn default() -> Self {
        Self { many: 256, first: 16, published: false }
    }
}
