//! What a run of several reactors is made of.

use crate::conn::Limits;
use crate::proto::CloseCode;
use crate::reactor::Drain;
use crate::ring::sim::{Choices, Faults};
use crate::sim::less::Less;
use crate::tick::Tick;
use std::time::Duration;

/// How it is ended in the middle.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    Stop(Duration),
    Drain(Drain),
}

/// The parameters of a run.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) reactors: usize,
    pub(super) peers: usize,
    pub(super) limits: Limits,
    pub(super) faults: Faults,
    pub(super) buffers: u16,
    /// Bytes of mail that may wait for one reactor.
    pub(super) mail_max: usize,
    /// When the chaos ends.
    pub(super) calm_at: Tick,
    /// What is left out of it.
    pub(super) less: Less,
    pub(super) ending: Option<(Tick, Ending)>,
}

impl Scenario {
    pub(super) fn draw(choices: &mut Choices, less: Less) -> Self {
        let calm_at = choices.between(200, 1500) as Tick;
        let ends_at = choices.between(1, calm_at as usize) as Tick;
        let limits = Limits {
            message_max: 1 << 16,
            send_queue_max: *choices.pick(&[1 << 20, 1 << 16, 2048]),
            handshake_timeout_ms: *choices.pick(&[10_000, 1_000]),
            idle_timeout_ms: *choices.pick(&[60_000, 10_000]),
            close_timeout_ms: 5_000,
            ..Limits::default()
        };
        let mut drawn = Self {
            reactors: choices.between(2, 3),
            peers: choices.between(2, 9),
            limits,
            faults: Self::faults(choices),
            buffers: *choices.pick(&[16, 4, 64]),
            mail_max: *choices.pick(&[64 << 20, 64 << 20, 20_000, 3_000]),
            calm_at: calm_at.min(less.calm_at),
            ending: choices.chance(250).then(|| (ends_at, Self::ending(choices))),
            less,
        };
        drawn.faults.spare(less.spared);
        drawn
    }

    fn faults(choices: &mut Choices) -> Faults {
        let mut rate = |most: u16| *choices.pick(&[most / 4, 0, most / 20, most]);
        Faults {
            delay: rate(600),
            short: rate(900),
            disarm: rate(300),
            receive_error: rate(2),
            send_error: rate(2),
            hold: rate(600),
            spurious: rate(100),
            gather: rate(600),
            wake: rate(800),
            ..Faults::NONE
        }
    }

    fn ending(choices: &mut Choices) -> Ending {
        let mut millis = |some: &[u64]| Duration::from_millis(*choices.pick(some));
        let (serve, spread) = (millis(&[0, 100, 1000]), millis(&[0, 50, 2000]));
        let grace = millis(&[1000, 0, 50]);
        let drain = Drain {
            code: CloseCode(1012),
            serve,
            spread,
            deadline: serve + spread + grace,
            ..Drain::default()
        };
        if choices.chance(500) { Ending::Drain(drain) } else { Ending::Stop(grace) }
    }

    /// By when everything must have come to its end.
    pub(super) fn deadline(&self) -> Tick {
        self.calm_at + 120_000
    }
}
