//! What a run is made of: sizes, limits and fault rates, drawn from its choices.

use super::less::Less;
use super::rules::{LIFETIME_CODE, Rules};
use crate::conn::{Limits, WhenFull};
use crate::proto::CloseCode;
use crate::reactor::{AddressLimits, Drain, Sizes};
use crate::ring::sim::{Choices, Faults};
use crate::tick::Tick;
use std::time::Duration;

/// How long everything that is not a timeout may take once the faults have stopped.
const SLACK_MS: Tick = 20_000;

/// The parameters of a run.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) limits: Limits,
    pub(super) per_address: AddressLimits,
    pub(super) clients: usize,
    pub(super) connections_max: u32,
    pub(super) sockets_max: usize,
    pub(super) listeners: usize,
    pub(super) buffers: u16,
    pub(super) buffer_size: u32,
    /// Large buffers, and bytes in each.
    pub(super) large: (u16, u32),
    pub(super) faults: Faults,
    /// What counts as large, and how it is received.
    pub(super) sizes: Sizes,
    /// From which size on a queue is a batch.
    pub(super) batch_max: usize,
    /// More connections than these are many.
    pub(super) many: usize,
    /// What all connections may hold together.
    pub(super) memory_max: u64,
    /// When the chaos ends.
    pub(super) calm_at: Tick,
    /// What is left out of it.
    pub(super) less: Less,
    /// When the engine is stopped in the middle, and with which grace.
    pub(super) stop: Option<(Tick, Duration)>,
    /// When it is drained, perhaps before that.
    pub(super) drain: Option<(Tick, Drain)>,
    /// The thread has other work between turns.
    pub(super) at_once: bool,
}

impl Scenario {
    pub(super) fn draw(choices: &mut Choices, less: Less) -> Self {
        let calm_at = choices.between(200, 1500) as Tick;
        let limits = Limits {
            message_max: *choices.pick(&[8192, 1 << 16, 256]),
            send_queue_max: *choices.pick(&[1 << 16, 1 << 20, 2048]),
            when_full: *choices.pick(&[
                WhenFull::Refuse,
                WhenFull::DropNewest,
                WhenFull::DropOldest,
                WhenFull::Close,
                WhenFull::Abort,
            ]),
            queue_age_max_ms: *choices.pick(&[u32::MAX, u32::MAX, 300, 20]),
            lifetime_max_ms: *choices.pick(&[u32::MAX, u32::MAX, u32::MAX, 900, 30]),
            lifetime_code: LIFETIME_CODE,
            fragments_max: 1000,
            head_max: 4096,
            handshake_timeout_ms: *choices.pick(&[10_000, 5_000]),
            idle_timeout_ms: *choices.pick(&[60_000, 20_000, 10_000]),
            close_timeout_ms: *choices.pick(&[5_000, 10_000]),
            ping_interval_ms: *choices.pick(&[u32::MAX, 400, 3_000]),
            deflate: None,
            stream: choices.chance(200),
            requests: true,
            body_max: 1024,
        };
        let clients = choices.between(1, 12);
        let stop_at = choices.between(1, calm_at as usize) as Tick;
        let grace = Duration::from_millis(*choices.pick(&[1000, 0, 50, 10_000]));
        let connections_max = *choices.pick(&[64, 3, 1]);
        let listeners = *choices.pick(&[1, 3]);
        // A place for each, and one for an accept on each listener, are promised to the reactor.
        let sockets_max = connections_max as usize + listeners + *choices.pick(&[64, 0, 2]);
        let mut drawn = Self {
            limits,
            per_address: Self::per_address(choices),
            clients,
            connections_max,
            sockets_max,
            listeners,
            buffers: *choices.pick(&[16, 2, 4, 64]),
            buffer_size: *choices.pick(&[4096, 64, 200, 16_384]),
            large: *choices.pick(&[(4, 8192), (2, 1000), (1, 70_000), (0, 0)]),
            faults: Self::faults(choices),
            sizes: Self::sizes(choices),
            batch_max: *choices.pick(&[1 << 18, 1, 300, 5000]),
            many: *choices.pick(&[256, 1, 2]),
            memory_max: *choices.pick(&[u64::MAX, 1 << 20, 40 << 10]),
            calm_at: calm_at.min(less.calm_at),
            stop: choices.chance(250).then_some((stop_at, grace)),
            drain: choices.chance(250).then(|| Self::drain(choices, calm_at)),
            at_once: choices.chance(250),
            less,
        };
        drawn.faults.spare(less.spared);
        drawn
    }

    fn drain(choices: &mut Choices, calm_at: Tick) -> (Tick, Drain) {
        let at = choices.between(1, calm_at as usize) as Tick;
        let mut millis = |some: &[u64]| Duration::from_millis(*choices.pick(some));
        let (serve, spread) = (millis(&[0, 100, 1000]), millis(&[0, 50, 2000]));
        let deadline = serve + spread + millis(&[10_000, 0, 50, 1000]);
        let code = CloseCode(*choices.pick(&[1012, 1001, 4321]));
        let retry_after = Duration::from_secs(7);
        let reason = "moving".into();
        (at, Drain { code, reason, serve, spread, deadline, retry_after, on_drained: None })
    }

    fn per_address(choices: &mut Choices) -> AddressLimits {
        AddressLimits {
            connections_max: *choices.pick(&[0, 0, 0, 1, 3]),
            upgrades_per_second: *choices.pick(&[0, 0, 0, 1, 20]),
            upgrades_burst: *choices.pick(&[0, 1, 3]),
        }
    }

    /// What of it the record checks.
    pub(super) fn rules(&self) -> Rules {
        Rules {
            when_full: self.limits.when_full,
            queue_max: self.limits.send_queue_max as usize,
            age_max: self.limits.queue_age_max_ms,
            lifetime_max: self.limits.lifetime_max_ms,
            addresses: self.per_address,
        }
    }

    /// Large begins where the messages of these runs are.
    fn sizes(choices: &mut Choices) -> Sizes {
        Sizes {
            large_min: *choices.pick(&[2048, 128, 512, 1 << 20]),
            huge_min: *choices.pick(&[4000, 200, 1 << 20]),
            head: *choices.pick(&[512, 1, 20]),
            rest_min: *choices.pick(&[126, 1000]),
            piece_max: *choices.pick(&[4096, 1000, 64]),
            turn_max: *choices.pick(&[8192, 1, 500]),
            overtakes_max: *choices.pick(&[4, 0, 1]),
            granted_max: *choices.pick(&[1 << 20, 3000, 0]),
            small_max: *choices.pick(&[8, 1, 2]),
            rest_turns_max: *choices.pick(&[16, 0, 1]),
            echo_min: *choices.pick(&[126, 1, 4096]),
        }
    }

    fn faults(choices: &mut Choices) -> Faults {
        let mut rate = |most: u16| *choices.pick(&[most / 4, 0, most / 20, most]);
        Faults {
            delay: rate(600),
            short: rate(900),
            disarm: rate(300),
            receive_error: rate(2),
            send_error: rate(4),
            accept_error: rate(200),
            connect_error: rate(300),
            connect_hang: rate(200),
            hold: rate(600),
            spurious: rate(100),
            // Rare: a run that ends so has little time to show anything else.
            stall: rate(4),
            wake: 0,
            gather: rate(600),
            death: if rate(1000) == 1000 && rate(1000) == 1000 { 3 } else { 0 },
        }
    }

    /// By when everything must have come to its end.
    pub(super) fn deadline(&self) -> Tick {
        let limits = &self.limits;
        let timeouts =
            limits.handshake_timeout_ms + limits.idle_timeout_ms + limits.close_timeout_ms;
        let grace = self.stop.map_or(0, |(_, grace)| grace.as_millis() as Tick);
        let drain = self.drain.as_ref().map_or(0, |(_, how)| how.deadline.as_millis() as Tick);
        let grace = grace.max(drain);
        // Those who wait for a free slot go through all the timeouts of those before them.
        let turns = self.clients.div_ceil(self.sockets_max.min(self.connections_max as usize));
        self.calm_at + grace + SLACK_MS + turns as Tick * Tick::from(timeouts)
    }
}
