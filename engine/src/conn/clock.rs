//! What a connection remembers of the time. What follows from it: see `deadline`.

use crate::tick::Tick;

/// The instants that all deadlines of a connection are counted from.
#[derive(Debug)]
pub(super) struct Clock {
    /// The last sign of life: bytes of the peer, or room that it has made for ours.
    pub(super) heard: Tick,
    /// What it marks depends on the stage of the connection: see `deadline::Stage`.
    pub(super) mark: Tick,
}

/// How far the Ping is that asks for a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ping {
    /// In the batch that is handed out next, unless that is a rest.
    Queued,
    /// In the batch that is out, or in its rest.
    Out,
    /// The transport has taken it. So it is, too, when there was none.
    Left,
}

/// A Ping of ours, and what tells its Pong from one that nobody has asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    /// What it says: that it is ours, and a number that nobody can predict.
    pub(super) says: [u8; 8],
    /// When it left, in microseconds; 0 while it has not, and for one that is repeated.
    pub(super) left_us: u64,
    /// It was sent more than once.
    pub(super) repeated: bool,
}

impl Probe {
    pub(super) fn new(nonce: [u8; 4]) -> Self {
        let [a, b, c, d] = nonce;
        Self { says: [b'r', b'w', b's', b'-', a, b, c, d], left_us: 0, repeated: false }
    }
}

/// A round trip in microseconds, to a thousandth of it: eleven bits, and by how many they are
/// shifted. Each connection has one, so it is small. 0 is none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip(u16);

impl RoundTrip {
    const BITS: u32 = 11;

    pub(super) fn new(us: u64) -> Self {
        let us = u32::try_from(us).unwrap_or(u32::MAX).max(1);
        let shift = (u32::BITS - us.leading_zeros()).saturating_sub(Self::BITS);
        Self((us >> shift) as u16 | (shift << Self::BITS) as u16)
    }

    pub(super) fn us(self) -> u32 {
        let bits = u32::from(self.0);
        (bits & ((1 << Self::BITS) - 1)) << (bits >> Self::BITS)
    }
}

impl Clock {
    pub(super) fn new(now: Tick) -> Self {
        Self { heard: now, mark: now }
    }

    /// The peer has given a sign of life.
    #[inline]
    pub(super) fn heard(&mut self, now: Tick) {
        self.heard = now;
    }

    /// What the stage marks has happened, or a new stage begins.
    #[inline]
    pub(super) fn mark(&mut self, now: Tick) {
        self.mark = now;
    }
}

/// An instant, in milliseconds that wrap around: half the size of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp(u32);

impl Stamp {
    /// Not noted yet.
    pub(super) const NONE: Self = Self(0);

    pub(super) fn of(now: Tick) -> Self {
        // 0 is none: one millisecond in 49 days is taken for the next.
        Self((now as u32).max(1))
    }

    #[inline]
    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// This one, or now if it is none.
    #[inline]
    pub(super) fn or(self, now: Tick) -> Self {
        if self.is_none() { Self::of(now) } else { self }
    }

    /// When it was, told by an instant within 24 days of it.
    pub(super) fn tick(self, near: Tick) -> Option<Tick> {
        let ahead = self.0.wrapping_sub(near as u32) as i32;
        (!self.is_none()).then(|| near.saturating_add_signed(ahead.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_known_to_a_thousandth() {
        assert_eq!(RoundTrip::default().us(), 0);
        assert_eq!((RoundTrip::new(0).us(), RoundTrip::new(1).us()), (1, 1));
        for us in [2_047, 2_048, 70_123, 1_000_001, 3_599_999_999, u64::from(u32::MAX)] {
            let told = u64::from(RoundTrip::new(us).us());
            assert!(told <= us && us - told <= us / 1_000, "{us}: {told}");
        }
        assert_eq!(RoundTrip::new(u64::MAX).us(), RoundTrip::new(u32::MAX.into()).us());
    }
}
