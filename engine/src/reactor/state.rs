//! What a reactor consists of.

use crate::conn::{Tools, Writer};
use crate::memory::Pool;
use crate::reactor::api::contract::{
    BatchAtWork, Context, GapHook, Job, LateHook, Post, TopicHook, Waits,
};
use crate::reactor::api::endpoints::Endpoints;
use crate::reactor::api::setup::Setup;
use crate::reactor::client::dials::{Dials, Resolve};
use crate::reactor::core::adopt::Passage;
use crate::reactor::core::appetite::Inflating;
use crate::reactor::core::arena::Arena;
use crate::reactor::core::backlogs::Backlogs;
use crate::reactor::core::budget::MemoryUse;
use crate::reactor::core::early::Early;
use crate::reactor::core::ending::Ending;
use crate::reactor::core::endpoints::ByEndpoint;
use crate::reactor::core::key;
use crate::reactor::core::name::Conn;
use crate::reactor::core::served::ServedTime;
use crate::reactor::core::slab::Slab;
use crate::reactor::core::timers::Timers;
use crate::reactor::core::topics::{Reports, Topics};
use crate::reactor::core::wheel::Wheel;
#[cfg(feature = "tls")]
use crate::reactor::deliver::handshakes::Handshakes;
use crate::reactor::deliver::shared::Source;
use crate::reactor::io::direct::{DirectReceives, Sizes};
use crate::reactor::io::listeners::Listeners;
use crate::ring::{Completion, Kernel};
use crate::tick::Tick;
use std::collections::TryReserveError;
use std::sync::Arc;
use std::time::Duration;

/// Capacity that a reactor keeps for recycling: enough for every core's hot connections, little
/// beside its receive buffers.
const POOL_BYTES_MAX: usize = 8 << 20;

/// None is being delivered.
fn no_batch() -> BatchAtWork {
    let writer = Writer::default();
    BatchAtWork { conn: Conn::NONE, stopped: false, user: 0, written: Conn::NONE, writer }
}

/// What is to be told of topics. One reactor looks through what is kept of them.
fn watch_topics(setup: &Setup, now: Tick, wheel: &mut Wheel) -> Reports {
    if let (0, Some(history)) = (setup.index, setup.handle.0.directory.history.get()) {
        wheel.insert(now + history.sweep_ms(), key::HISTORY);
    }
    let (ends, gaps) = (setup.on_topic.is_some(), setup.on_gap.is_some());
    Reports { ends, gaps, late: setup.on_late.is_some() }
}

/// One thread's loop over a kernel.
pub struct Reactor<K: Kernel> {
    pub(crate) kernel: K,
    pub(crate) ctx: Context,
    pub(crate) endpoints: Endpoints,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) listeners: Listeners<Job>,
    /// Connections whose sockets come into the ring, or leave it.
    pub(crate) passing: Arena<Passage<Job>>,
    pub(crate) completions: Vec<Completion>,
    pub(crate) on_topic: Option<TopicHook>,
    pub(crate) on_gap: Option<GapHook>,
    pub(crate) on_late: Option<LateHook>,
    pub(crate) direct: DirectReceives,
    #[cfg(feature = "tls")]
    pub(crate) handshakes: Handshakes,
    /// The pool is to be trimmed: a node is on the wheel.
    pub(crate) trimming: bool,
    /// Most mail that came at once since vectors were last trimmed.
    pub(crate) mails_peak: usize,
    /// How long the kernel was left for: see `turn_at_once`.
    pub(crate) left_for: Option<Duration>,
}

impl<K: Kernel> Reactor<K> {
    /// Takes mail from here on.
    pub(crate) fn with(kernel: K, setup: Setup) -> Result<Self, TryReserveError> {
        let (slab, now) = (Slab::new(setup.connections_max)?, kernel.now());
        let mut wheel = Wheel::new(now);
        wheel.reserve(setup.connections_max as usize)?;
        let reports = watch_topics(&setup, now, &mut wheel);
        let counters = Arc::clone(&setup.handle.0.counters[setup.index as usize]);
        let own = Arc::clone(&setup.handle.0.owns[setup.index as usize]);
        counters.epoll_reactors.set(kernel.counts().by_epoll);
        setup.handle.0.mailboxes[setup.index as usize].open();
        setup.handle.0.loads.takes(setup.index, setup.connections_max);
        let (endpoints, homes, first_routes) = Endpoints::with_routes(setup.endpoints);
        let ctx = Context {
            slab,
            pool: Pool::new(POOL_BYTES_MAX),
            tools: Tools::new(setup.random).with_codec_memory(setup.codec_memory_max),
            codec_counted: Default::default(),
            policed_counted: Default::default(),
            dirty: Vec::new(),
            wheel,
            timers: Timers::new(setup.index),
            limits: ByEndpoint::each(&endpoints, |served| served.limits),
            origins: ByEndpoint::each(&endpoints, |served| served.origins.clone()),
            per_address: ByEndpoint::each(&endpoints, |served| served.per_address),
            doors: ByEndpoint::each(&endpoints, |served| served.door.clone()),
            homes: ByEndpoint::new(homes),
            first_routes,
            post: Post::new(setup.handle, own),
            topics: Topics::new(reports),
            early: Early::default(),
            log: setup.log,
            counters,
            inflating: Inflating::default(),
            memory: MemoryUse::default(),
            backlogs: Backlogs::default(),
            source: Source::new(kernel.buffers(), Sizes::default().echo_min),
            batch: no_batch(),
            waits: Waits::default(),
            dials: Dials::new(),
            adoptees: Default::default(),
            given: Default::default(),
            moves: Default::default(),
            succession: Default::default(),
            answer: None,
            now,
            served: ServedTime::new(now),
            draining: false,
            closing: false,
            ending: Ending::default(),
            index: setup.index,
            user: setup.user,
        };
        Ok(Self {
            kernel,
            ctx,
            endpoints: Endpoints::new(endpoints),
            resolver: setup.resolver,
            listeners: Listeners::new(setup.listeners),
            passing: Arena::new(),
            completions: Vec::new(),
            on_topic: setup.on_topic,
            on_gap: setup.on_gap,
            on_late: setup.on_late,
            direct: DirectReceives::default(),
            #[cfg(feature = "tls")]
            handshakes: Handshakes::default(),
            trimming: false,
            mails_peak: 0,
            left_for: Some(Duration::ZERO),
        })
    }
}
