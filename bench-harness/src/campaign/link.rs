//! A link between two networks that loses, delays, reorders, doubles and spoils packets: two TUN
//! devices and a thread that carries packets between them, so it needs nothing of the kernel but
//! those (not every kernel has netem).

use super::space::Space;
use crate::error::{Error, Result};
use crate::random::Random;
use rustix::event::{PollFd, PollFlags, poll};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tun_rs::{DeviceBuilder, SyncDevice};

/// What a link does to packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// The share that is lost.
    pub loss: f64,
    /// How long each takes.
    pub delay: Duration,
    /// What is drawn in addition, up to this.
    pub jitter: Duration,
    /// Whether one may overtake another.
    pub overtakes: bool,
    /// The share that comes twice.
    pub doubled: f64,
    /// The share of which one bit is another.
    pub spoiled: f64,
    /// Nothing passes towards the server, or from it.
    pub cut: [bool; 2],
    /// Bytes in a second; what has waited for longer than a queue holds it is lost.
    pub rate: Option<u32>,
}

/// How long a packet may wait for its turn on a narrow link.
const QUEUE: Duration = Duration::from_millis(400);
/// The longest that nobody looks at whether the link is to end.
const LOOK: Duration = Duration::from_millis(20);

/// What it has done.
#[derive(Debug, Default)]
pub struct Counts {
    /// Packets that came to it.
    pub came: AtomicU64,
    /// Those that it has lost.
    pub lost: AtomicU64,
}

/// A link at work; dropping it takes it away.
#[derive(Debug)]
pub struct Link {
    rules: Arc<Mutex<Rules>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// What it has done.
    pub counts: Arc<Counts>,
    /// The address of the side of the server, and of the clients.
    pub ends: [Ipv4Addr; 2],
}

impl Link {
    /// Between two networks, with addresses in `10.77.<subnet>.0/24`.
    pub fn new(
        server: &Arc<Space>,
        clients: &Arc<Space>,
        subnet: u8,
        mtu: u16,
        seed: u64,
    ) -> Result<Self> {
        let ends = [1, 2].map(|host| Ipv4Addr::new(10, 77, subnet, host));
        let name = format!("rws{subnet}");
        let devices = [device(server, &name, ends[0], mtu)?, device(clients, &name, ends[1], mtu)?];
        let rules = Arc::new(Mutex::new(Rules::default()));
        let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
        let mut relay = Relay {
            devices,
            rules: Arc::clone(&rules),
            counts: Arc::clone(&counts),
            random: Random(seed),
            under_way: BinaryHeap::new(),
            number: 0,
            last: [Instant::now(); 2],
        };
        let ends_now = Arc::clone(&stop);
        let thread =
            std::thread::spawn(move || while !ends_now.load(Relaxed) && relay.turn().is_ok() {});
        Ok(Self { rules, stop, thread: Some(thread), counts, ends })
    }

    /// From now on.
    pub fn set(&self, rules: Rules) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = rules;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn device(space: &Arc<Space>, name: &str, address: Ipv4Addr, mtu: u16) -> Result<SyncDevice> {
    space.run(|| {
        let device = DeviceBuilder::new().name(name).ipv4(address, 24, None).mtu(mtu).build_sync();
        let device = device.map_err(Error::io("a TUN device"))?;
        device.set_nonblocking(true).map_err(Error::io("O_NONBLOCK"))?;
        Ok(device)
    })
}

/// A packet under way: when it arrives, which one, where to, what.
type Packet = Reverse<(Instant, u64, usize, Vec<u8>)>;

struct Relay {
    /// That of the server, that of the clients.
    devices: [SyncDevice; 2],
    rules: Arc<Mutex<Rules>>,
    counts: Arc<Counts>,
    random: Random,
    under_way: BinaryHeap<Packet>,
    number: u64,
    /// When the last packet to each side arrives.
    last: [Instant; 2],
}

impl Relay {
    fn turn(&mut self) -> Result<()> {
        let now = Instant::now();
        let next =
            self.under_way.peek().map(|Reverse((due, ..))| due.saturating_duration_since(now));
        let rest = next.unwrap_or(LOOK).min(LOOK);
        let mut polled = self.devices.each_ref().map(|device| PollFd::new(device, PollFlags::IN));
        let rest = rest.try_into().map_err(|_| Error::Usage("a wait that is too long".into()))?;
        match poll(&mut polled, Some(&rest)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::io("poll")(errno)),
        }
        let rules = *self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        let mut packet = [0; 2_048];
        for from in [0, 1] {
            // One side does not keep the other from its turn.
            for _ in 0..64 {
                let Some(count) = self.devices[from].recv(&mut packet).ok() else { break };
                self.take(&rules, 1 - from, packet[..count].to_vec());
            }
        }
        let now = Instant::now();
        while self.under_way.peek().is_some_and(|Reverse((due, ..))| *due <= now) {
            if let Some(Reverse((_, _, to, bytes))) = self.under_way.pop() {
                // What a full queue drops is lost, as on any link.
                let _ = self.devices[to].send(&bytes);
            }
        }
        Ok(())
    }

    fn take(&mut self, rules: &Rules, to: usize, mut bytes: Vec<u8>) {
        self.counts.came.fetch_add(1, Relaxed);
        if rules.cut[to] || self.chance(rules.loss) {
            self.counts.lost.fetch_add(1, Relaxed);
            return;
        }
        let now = Instant::now();
        let drawn = self.random.below(rules.jitter.as_micros() as u64 + 1);
        let mut due = now + rules.delay + Duration::from_micros(drawn);
        if let Some(rate) = rules.rate {
            let turn = self.last[to].max(now);
            if turn > now + rules.delay + QUEUE {
                self.counts.lost.fetch_add(1, Relaxed);
                return;
            }
            due = turn + Duration::from_secs_f64(bytes.len() as f64 / f64::from(rate.max(1)));
        } else if !rules.overtakes {
            due = due.max(self.last[to]);
        }
        self.last[to] = due;
        if self.chance(rules.doubled) {
            self.carry(due + Duration::from_millis(1), to, bytes.clone());
        }
        if self.chance(rules.spoiled)
            && let at = self.random.below(bytes.len() as u64) as usize
            && let Some(byte) = bytes.get_mut(at)
        {
            *byte ^= 1 << (at % 8);
        }
        self.carry(due, to, bytes);
    }

    fn carry(&mut self, due: Instant, to: usize, bytes: Vec<u8>) {
        self.number += 1;
        self.under_way.push(Reverse((due, self.number, to, bytes)));
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && (self.random.draw() >> 11) as f64 / ((1u64 << 53) as f64) < share
    }
}
