//! Faults that the simulator plants, to see that it finds them. Elsewhere they are not there.

/// What is done wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "sim"),
    allow(unreachable_pub, reason = "exported to the simulator's tests")
)]
pub enum Plant {
    /// A gap of one message is not told.
    Gap,
    /// Who is heard for the first time is always taken for one in the middle.
    Settle,
    /// A later life passes for the one before.
    Epoch,
    /// The last message passes for a new one when it comes again.
    Dedup,
    /// A heartbeat says the number before the last.
    Heartbeat,
    /// What was published while the bus was down is not told when it is up.
    Unsent,
    /// A topic that begins anew begins with the numbers that it had.
    Floor,
    /// What found no room is taken for delivered.
    Full,
}

#[cfg(feature = "sim")]
impl Plant {
    /// Each of them.
    pub const ALL: [Self; 8] = [
        Self::Gap,
        Self::Settle,
        Self::Epoch,
        Self::Dedup,
        Self::Heartbeat,
        Self::Unsent,
        Self::Floor,
        Self::Full,
    ];

    /// It is done wrong on this thread from now on; `None`: all is done right.
    pub fn plant(plant: Option<Self>) {
        PLANTED.set(plant);
    }
}

#[cfg(feature = "sim")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Plant>> = const { std::cell::Cell::new(None) };
}

/// Whether it is done wrong here.
#[cfg(feature = "sim")]
pub(crate) fn is_planted(plant: Plant) -> bool {
    PLANTED.get() == Some(plant)
}

#[cfg(not(feature = "sim"))]
pub(crate) const fn is_planted(_: Plant) -> bool {
    false
}
