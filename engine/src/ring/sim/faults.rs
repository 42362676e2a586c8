//! How often a simulated kernel lies. All within the contract of `Kernel`.

/// Rates in a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// An operation that could go on does not, for a tick.
    pub delay: u16,
    /// A receive takes less than there is, a send ends early.
    pub short: u16,
    /// A multishot receive ends without a reason.
    pub disarm: u16,
    /// The wire breaks under a receive.
    pub receive_error: u16,
    /// The wire breaks under a send.
    pub send_error: u16,
    /// An accept fails.
    pub accept_error: u16,
    /// A connect fails.
    pub connect_error: u16,
    /// A connect does not end until it is cancelled.
    pub connect_hang: u16,
    /// A completion is kept back although it is there.
    pub hold: u16,
    /// A wait ends for nothing.
    pub spurious: u16,
    /// The kernel as a whole fails, per wait.
    pub death: u16,
    /// The process is stopped, or a callback blocks, per wait: time passes, and the peers act.
    pub stall: u16,
    /// A wake-up is not noticed, for a tick.
    pub wake: u16,
    /// A wait goes on although something has come, to come back with more.
    pub gather: u16,
}

// Each kind is a rate, and none is left out below.
const _: () = assert!(size_of::<Faults>() == size_of::<u16>() * Faults::KINDS as usize);

impl Faults {
    /// A kernel that works.
    pub const NONE: Self = Self {
        delay: 0,
        short: 0,
        disarm: 0,
        receive_error: 0,
        send_error: 0,
        accept_error: 0,
        connect_error: 0,
        connect_hang: 0,
        hold: 0,
        spurious: 0,
        death: 0,
        stall: 0,
        wake: 0,
        gather: 0,
    };
    /// How many kinds there are.
    pub const KINDS: u32 = 14;

    /// Does without some kinds: a bit for each, in their order.
    pub fn spare(&mut self, kinds: u64) {
        let all: [_; Self::KINDS as usize] = [
            &mut self.delay,
            &mut self.short,
            &mut self.disarm,
            &mut self.receive_error,
            &mut self.send_error,
            &mut self.accept_error,
            &mut self.connect_error,
            &mut self.connect_hang,
            &mut self.hold,
            &mut self.spurious,
            &mut self.death,
            &mut self.stall,
            &mut self.wake,
            &mut self.gather,
        ];
        for (kind, rate) in all.into_iter().enumerate() {
            *rate *= u16::from(kinds >> kind & 1 == 0);
        }
    }
}
