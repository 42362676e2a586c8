//! Which broker next, and after how long.

use super::address::Address;
use std::time::Duration;

/// Brokers that are kept of those that others name.
const LEARNED_MAX: usize = 256;

/// Random numbers.
pub(super) type Random = fn() -> u64;

/// A broker that can be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) address: Address,
    /// Where another named it by its number: what the other is called, which its certificate is
    /// then for, too.
    pub(super) named_by: Option<String>,
    learned: bool,
    /// In this round.
    tried: bool,
}

impl Server {
    fn is(&self, other: &Self) -> bool {
        self.is_at(&other.address)
    }

    fn is_at(&self, address: &Address) -> bool {
        (&self.address.host, self.address.port) == (&address.host, address.port)
    }
}

/// All brokers that we know, in rounds: each is tried once, then there is a pause, longer from
/// round to round.
pub(super) struct Pool {
    servers: Vec<Server>,
    /// Rounds without a connection.
    rounds: u32,
    /// In this round one has refused our credentials.
    refused: bool,
    min: Duration,
    max: Duration,
    in_order: bool,
    random: Random,
}

impl Pool {
    /// Of at least one.
    pub(super) fn new(
        servers: &[Address],
        in_order: bool,
        (min, max): (Duration, Duration),
        random: Random,
    ) -> Self {
        let mut pool =
            Self { servers: Vec::new(), rounds: 0, refused: false, min, max, in_order, random };
        for address in servers {
            let address = address.clone();
            pool.add(Server { address, named_by: None, learned: false, tried: false });
        }
        pool
    }

    /// Each engine has them in an order of its own, so that they share their clients.
    fn add(&mut self, server: Server) {
        let at = if self.in_order { self.servers.len() } else { self.draw(self.servers.len()) };
        self.servers.insert(at, server);
    }

    /// A number up to `most`.
    fn draw(&self, most: usize) -> usize {
        ((self.random)() % (most as u64 + 1)) as usize
    }

    /// The next one to try, and what to wait before.
    pub(super) fn next(&mut self) -> (Server, Duration) {
        let mut pause = Duration::ZERO;
        if self.servers.iter().all(|server| server.tried) {
            pause = self.pause();
            self.begin();
        }
        let at = self.servers.iter().position(|server| !server.tried).unwrap_or(0);
        self.servers[at].tried = true;
        (self.servers[at].clone(), pause)
    }

    fn begin(&mut self) {
        self.refused = false;
        self.servers.iter_mut().for_each(|server| server.tried = false);
    }

    /// Full jitter: any part of what doubles from round to round. Who refuses our credentials will
    /// do so again, and may lock out those that ask too often.
    fn pause(&mut self) -> Duration {
        if self.refused {
            return self.max + self.part_of(self.max);
        }
        let most = self.min.saturating_mul(1 << self.rounds.min(20)).min(self.max);
        self.rounds += 1;
        self.part_of(most)
    }

    /// A random part of it.
    pub(super) fn part_of(&self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros((self.random)() % (most + 1))
    }

    /// One has let us in.
    pub(super) fn connected(&mut self) {
        self.rounds = 0;
    }

    /// That connection is lost: a new round, in which it comes last, or if the order is given and
    /// it is not `leaving`, in its turn. All of its clients come now, hence a pause.
    pub(super) fn lost(&mut self, server: &Server, leaving: bool) -> Duration {
        self.begin();
        if let Some(at) = self.servers.iter().position(|other| other.is(server)) {
            if !self.in_order {
                let server = self.servers.remove(at);
                self.servers.push(server);
            } else if leaving && self.servers.len() > 1 {
                self.servers[at].tried = true;
            }
        }
        self.part_of(self.min)
    }

    /// The one that was tried last does not like our credentials.
    pub(super) fn refused(&mut self) {
        self.refused = true;
    }

    /// Whether there is another one.
    pub(super) fn has_other(&self, server: &Server) -> bool {
        self.servers.iter().any(|other| !other.is(server))
    }

    /// All that `by` names of its cluster. Those that were only ever named and are so no longer are
    /// forgotten, but not the one that says so.
    pub(super) fn learn(&mut self, by: &Server, named: &[String]) {
        let addresses = named.iter().take(LEARNED_MAX).filter_map(|text| Address::parse(text).ok());
        let named: Vec<Address> =
            addresses.map(|address| Address { tls: by.address.tls, ..address }).collect();
        self.servers.retain(|server| {
            !server.learned || server.is(by) || named.iter().any(|address| server.is_at(address))
        });
        let host = by.named_by.as_ref().unwrap_or(&by.address.host);
        for address in named {
            if !self.servers.iter().any(|server| server.is_at(&address)) {
                let is_number = address.host.parse::<std::net::IpAddr>().is_ok();
                let named_by = is_number.then(|| host.clone());
                self.add(Server { address, named_by, learned: true, tried: false });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// All that may be waited.
    fn most() -> u64 {
        u64::MAX - 1
    }

    fn pool(hosts: &[&str], in_order: bool, random: Random) -> Pool {
        let addresses: Vec<_> = hosts.iter().map(|host| Address::parse(host).unwrap()).collect();
        Pool::new(&addresses, in_order, (100 * MS, 1_000 * MS), random)
    }

    fn round(pool: &mut Pool) -> Vec<String> {
        (0..pool.servers.len()).map(|_| pool.next().0.address.host).collect()
    }

    #[test]
    fn rounds_grow_to_the_maximum_and_any_part_of_them_is_waited() {
        let random: Random = || 0;
        let mut none = pool(&["a", "b"], true, random);
        let random: Random = || 77_777;
        let mut some = pool(&["a", "b"], true, random);
        for most in [100, 200, 400, 800, 1_000, 1_000] {
            for (pool, first) in [(&mut none, 0), (&mut some, 77_777 % (most * 1_000 + 1))] {
                if pool.rounds == 0 {
                    assert_eq!((pool.next().1, pool.next().1), (Duration::ZERO, Duration::ZERO));
                }
                assert_eq!(pool.next().1, Duration::from_micros(first));
                assert_eq!(pool.next().1, Duration::ZERO);
            }
        }
        assert_eq!(some.part_of(Duration::MAX), Duration::from_micros(77_777));
        some.connected();
        assert_eq!(some.next().1, Duration::from_micros(77_777));
    }

    #[test]
    fn who_refuses_is_asked_slowly() {
        let mut pool = pool(&["a", "b"], true, most);
        pool.next();
        pool.refused();
        pool.next();
        let pause = pool.next().1;
        assert!((1_000 * MS..=2_000 * MS).contains(&pause), "{pause:?}");
        pool.next();
        assert!(pool.next().1 <= 100 * MS, "a new round is a new chance");
    }

    #[test]
    fn whom_we_lost_comes_last() {
        let mut pool = pool(&["a", "b", "c"], false, || 0);
        let order = round(&mut pool);
        let first = Server { tried: false, ..pool.servers[0].clone() };
        assert_eq!(first.address.host, order[0]);
        assert!(pool.lost(&first, false) <= 100 * MS);
        assert_eq!(round(&mut pool), [&*order[1], &order[2], &order[0]]);
    }

    #[test]
    fn an_order_that_is_given_is_kept() {
        let mut pool = pool(&["a", "b"], true, most);
        let (first, _) = pool.next();
        pool.lost(&first, false);
        assert_eq!(round(&mut pool), ["a", "b"]);
        pool.lost(&first, true);
        assert_eq!(pool.next().0.address.host, "b");
        let mut alone = self::pool(&["a"], true, most);
        let (first, _) = alone.next();
        assert!(alone.lost(&first, true) <= 100 * MS);
        assert_eq!((alone.next().1, alone.has_other(&first)), (Duration::ZERO, false));
    }

    #[test]
    fn others_are_learned_and_forgotten() {
        let mut pool = pool(&["tls://a"], true, most);
        let (by, _) = pool.next();
        let named = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        pool.learn(&by, &named(&["a:4222", "10.0.0.2:4222", "c:4222", "no host"]));
        assert_eq!(round(&mut pool)[..2], ["10.0.0.2", "c"]);
        assert!(pool.servers.iter().all(|server| server.address.tls));
        assert_eq!(pool.servers[1].named_by.as_deref(), Some("a"));
        assert_eq!(pool.servers[2].named_by, None);
        let second = pool.servers[1].clone();
        pool.learn(&second, &named(&["d"]));
        pool.lost(&second, false);
        assert_eq!(round(&mut pool), ["a", "10.0.0.2", "d"]);
        pool.learn(&by, &vec!["e".to_owned(); 3]);
        let many: Vec<String> =
            (0..2 * LEARNED_MAX).map(|port| format!("f:{}", port + 1)).collect();
        pool.learn(&by, &many);
        assert_eq!(pool.servers.len(), 1 + LEARNED_MAX);
    }
}
