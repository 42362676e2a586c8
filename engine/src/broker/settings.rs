//! What is said of a bus, whichever it is.

use crate::bus::{Origin, Settings};
use crate::engine::Error;
use crate::random::fill_random;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// How the bus stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The broker is reached, and has our interests: what is published goes out.
    Up,
    /// It is not, and why: what is published reaches the members here, and those elsewhere are told
    /// of a gap once it is up again.
    Down(String),
}

/// Told how the bus stands, on the thread that has noticed it; it must not wait for anything.
pub type OnBus = Arc<dyn Fn(&State) + Send + Sync>;

/// Sizes and times of a bus. Zero means the default.
#[derive(Clone, Default)]
pub struct BusConfig {
    /// This engine's number in the cluster, which no other has at the same time; 0: one drawn by
    /// lot. An engine that comes back under its number is known to have ended before.
    pub node: u64,
    /// Topics that begin with these bytes cross machines, others stay here. Empty: all of them.
    pub prefix: Vec<u8>,
    /// Bytes of messages that may wait for the bus; 0: 16 MiB. Beyond it a publish is refused with
    /// [`CallError::BusFull`](crate::reactor::CallError::BusFull).
    pub queue_max: u32,
    /// How long after the last message of a topic its number is repeated, in milliseconds, and then
    /// again up to four times as far apart: what is lost last is found out by then. 0: 1,000;
    /// from 10 to 60,000.
    pub heartbeat_ms: u32,
    /// How long a topic must be quiet until nothing more is said of it; 0: 30,000 ms. At least
    /// four times `heartbeat_ms`.
    pub forget_ms: u32,
    /// How long a first member waits until all that is published elsewhere must come to it: for so
    /// long publishers that it has not heard of may be in the middle. 0: 2,000 ms.
    pub settle_ms: u32,
}

/// The latest epoch of this process: no two engines in it have the same.
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// A number for this life: greater than those of lives before, on a machine whose clock goes
/// forward.
fn epoch() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = since.as_micros() as u64;
    let later = |before| Some(now.max(before + 1));
    let before = EPOCH.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    now.max(before.unwrap_or_default() + 1)
}

/// A life of the engine with that number; 0: one drawn by lot.
pub(crate) fn origin(mut node: u64) -> Origin {
    while node == 0 {
        let mut random = [0; 8];
        fill_random(&mut random);
        node = u64::from_ne_bytes(random);
    }
    Origin { node, epoch: epoch() }
}

impl BusConfig {
    /// Checked, with the defaults filled in.
    pub(crate) fn settings(&self) -> Result<Settings, Error> {
        let or = |value: u32, default: u32| if value == 0 { default } else { value };
        let heartbeat_ms = or(self.heartbeat_ms, 1_000);
        let forget_ms = or(self.forget_ms, (heartbeat_ms * 4).max(30_000));
        let settle_ms = or(self.settle_ms, 2_000);
        let invalid = |text: &str| Err(Error::Invalid(text.into()));
        if !(10..=60_000).contains(&heartbeat_ms) {
            return invalid("heartbeat_ms: from 10 to 60,000");
        }
        if forget_ms / 4 < heartbeat_ms {
            return invalid("forget_ms: at least four times heartbeat_ms");
        }
        Ok(Settings { origin: origin(self.node), heartbeat_ms, forget_ms, settle_ms })
    }

    /// Bytes that may wait.
    pub(crate) fn queue_max(&self) -> usize {
        if self.queue_max == 0 { 16 << 20 } else { self.queue_max as usize }
    }
}
