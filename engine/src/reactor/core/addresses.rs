//! What one address may have of an engine: how many connections, and how many upgrades a second.
//! The reactors share the table, and touch it when a connection comes, is upgraded and has gone.

use crate::tick::Tick;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks: so many addresses can be looked up at the same time.
const SHARDS: usize = 64;

/// A part of the table with fewer addresses is not looked through for idle ones.
const SWEEP_MIN: usize = 64;

/// What tokens are counted in, so that they come in whole numbers in a millisecond.
const TOKEN: u64 = 1_000;

/// Limits of each remote address; 0: none. IPv6 addresses count by their first 64 bits: whoever has
/// one has as many as that leaves (RFC 6177, RFC 4291 §2.5.4). Not on Unix sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddressLimits {
    /// Connections at the same time; beyond them they are closed when they are accepted.
    pub connections_max: u32,
    /// Upgrades in a second, on the average; beyond them they are answered with 429.
    pub upgrades_per_second: u32,
    /// So many may come at once; 0: as many as in a second.
    pub upgrades_burst: u32,
}

impl AddressLimits {
    fn burst(&self) -> u64 {
        let burst =
            if self.upgrades_burst == 0 { self.upgrades_per_second } else { self.upgrades_burst };
        u64::from(burst) * TOKEN
    }
}

/// An address as one endpoint counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Counted {
    endpoint: u32,
    is_v6: bool,
    /// The first 64 bits of IPv6; the address, and then zeros, of IPv4.
    prefix: [u8; 8],
}

impl Counted {
    pub(crate) fn new(endpoint: u32, peer: SocketAddr) -> Self {
        let (is_v6, prefix) = match peer.ip().to_canonical() {
            IpAddr::V4(ip) => (false, (u64::from(ip.to_bits()) << 32).to_be_bytes()),
            IpAddr::V6(ip) => (true, ((ip.to_bits() >> 64) as u64).to_be_bytes()),
        };
        Self { endpoint, is_v6, prefix }
    }
}

/// What an address has, and has used.
#[derive(Debug)]
struct Use {
    connections: u32,
    /// In `TOKEN`s: what is left of the burst, as of `at`.
    tokens: u64,
    at: Tick,
    limits: AddressLimits,
}

impl Use {
    /// Nothing is remembered of it that a new one would not have.
    fn is_idle(&self, now: Tick) -> bool {
        self.connections == 0 && self.tokens_at(now) >= self.limits.burst()
    }

    fn tokens_at(&self, now: Tick) -> u64 {
        // The clocks of two reactors may differ by the time that it took to start them.
        let passed = now.saturating_sub(self.at);
        let grown = passed.saturating_mul(u64::from(self.limits.upgrades_per_second));
        self.tokens.saturating_add(grown).min(self.limits.burst())
    }
}

#[derive(Debug, Default)]
struct Shard {
    uses: HashMap<Counted, Use>,
    /// With so many it is looked through for those that are idle.
    sweep_at: usize,
}

/// All addresses that are known of.
#[derive(Debug)]
pub(crate) struct Addresses {
    shards: Vec<Mutex<Shard>>,
    /// Nobody can choose addresses that collide.
    random: RandomState,
}

impl Default for Addresses {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, random: RandomState::new() }
    }
}

impl Addresses {
    fn shard(&self, who: &Counted) -> MutexGuard<'_, Shard> {
        let at = self.random.hash_one(who) as usize % SHARDS;
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection has come. `false` when its address has as many as it may: it is not counted.
    pub(crate) fn enter(&self, who: Counted, limits: &AddressLimits, now: Tick) -> bool {
        let mut shard = self.shard(&who);
        let entry = shard.of(who, limits, now);
        if entry.connections >= limits.connections_max && limits.connections_max > 0 {
            return false;
        }
        entry.connections += 1;
        true
    }

    /// One that has entered has gone.
    pub(crate) fn leave(&self, who: Counted, now: Tick) {
        let mut shard = self.shard(&who);
        let Some(entry) = shard.uses.get_mut(&who) else { return };
        entry.connections = entry.connections.saturating_sub(1);
        if entry.is_idle(now) {
            shard.uses.remove(&who);
        }
    }

    /// It asks for an upgrade. Otherwise in how many seconds it may ask again.
    pub(crate) fn ask(&self, who: Counted, limits: &AddressLimits, now: Tick) -> Result<(), u64> {
        let mut shard = self.shard(&who);
        let entry = shard.of(who, limits, now);
        let tokens = entry.tokens_at(now);
        (entry.tokens, entry.at) = (tokens, entry.at.max(now));
        match tokens.checked_sub(TOKEN) {
            Some(left) => {
                entry.tokens = left;
                Ok(())
            }
            None => {
                let rate = u64::from(limits.upgrades_per_second.max(1));
                Err((TOKEN - tokens).div_ceil(rate).div_ceil(1_000).max(1))
            }
        }
    }

    /// How many addresses are remembered.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().uses.len()).sum()
    }
}

impl Shard {
    fn of(&mut self, who: Counted, limits: &AddressLimits, now: Tick) -> &mut Use {
        if self.uses.len() >= self.sweep_at {
            self.uses.retain(|_, entry| !entry.is_idle(now));
            self.sweep_at = SWEEP_MIN.max(2 * self.uses.len());
        }
        let limits = *limits;
        let tokens = limits.burst();
        self.uses.entry(who).or_insert(Use { connections: 0, tokens, at: now, limits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: AddressLimits =
        AddressLimits { connections_max: 2, upgrades_per_second: 10, upgrades_burst: 3 };

    fn at(text: &str) -> Counted {
        Counted::new(0, SocketAddr::new(text.parse().unwrap(), 9))
    }

    #[test]
    fn an_address_is_what_one_subscriber_has() {
        assert_eq!(at("192.0.2.1"), at("::ffff:192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("2001:db8::1"), at("2001:db8:0:0:ffff::2"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("0.0.0.0"), at("::"));
        assert_ne!(at("192.0.2.1"), Counted::new(1, "192.0.2.1:9".parse().unwrap()));
    }

    #[test]
    fn connections_are_counted_until_they_have_gone() {
        let all = Addresses::default();
        let who = at("192.0.2.1");
        assert_eq!([(); 3].map(|()| all.enter(who, &LIMITS, 0)), [true, true, false]);
        assert!(all.enter(at("192.0.2.2"), &LIMITS, 0), "another is another");
        all.leave(who, 0);
        assert_eq!([(); 2].map(|()| all.enter(who, &LIMITS, 0)), [true, false]);
        assert_eq!(all.len(), 2);
        [who, who, at("192.0.2.2")].into_iter().for_each(|who| all.leave(who, 0));
        all.leave(who, 0);
        assert_eq!(all.len(), 0);
    }

    #[test]
    fn upgrades_come_in_a_burst_and_then_at_their_rate() {
        let all = Addresses::default();
        let who = at("2001:db8::1");
        let ask = |now| all.ask(who, &LIMITS, now);
        assert_eq!([(); 4].map(|()| ask(1_000)), [Ok(()), Ok(()), Ok(()), Err(1)]);
        assert_eq!([ask(1_099), ask(1_100), ask(1_100)], [Err(1), Ok(()), Err(1)]);
        assert_eq!(ask(500), Err(1), "a clock that is behind brings nothing");
        assert_eq!([(); 4].map(|()| ask(9_000)), [Ok(()), Ok(()), Ok(()), Err(1)]);
        let slow = AddressLimits { upgrades_per_second: 1, ..AddressLimits::default() };
        let other = at("192.0.2.1");
        assert_eq!([(); 2].map(|()| all.ask(other, &slow, 0)), [Ok(()), Err(1)]);
    }

    #[test]
    fn who_has_used_little_is_forgotten() {
        let all = Addresses::default();
        for n in 0..100_000 {
            let who = Counted::new(0, SocketAddr::new(std::net::Ipv4Addr::from_bits(n).into(), 1));
            assert!(
                all.enter(who, &LIMITS, u64::from(n)) && all.ask(who, &LIMITS, n.into()) == Ok(())
            );
            all.leave(who, n.into());
        }
        // Each is remembered for 100 ms, in which 100 others come.
        assert!(all.len() <= SHARDS * (SWEEP_MIN + 2), "{}", all.len());
    }
}
