//! What an engine and its endpoints are made from.

use crate::broker::OnBus;
use crate::conn::Limits;
use crate::engine::Error;
use crate::memory_max;
use crate::proto::Origins;
pub use crate::reactor::Target;
pub use crate::reactor::log::{Level, Log};
pub use crate::reactor::{AddressLimits, Admission};
use crate::reactor::{Context, Handler, TopicLimits};
pub use crate::reactor::{Drain, Drained, GapHook, InvalidProxies, Proxies, TopicHook};
pub use crate::reactor::{HistoryRule, LateHook};
pub use crate::ring::SocketOptions;
pub use crate::ring::backend::{Backend, Chosen};
use crate::tls;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// What is less is a slip of the unit.
const MEMORY_MIN: u64 = 1 << 20;

/// A hook run on a reactor's thread.
pub type Hook = Arc<dyn Fn(&mut Context) + Send + Sync>;
/// Sizes and hooks of an engine. Zero means the default.
#[derive(Clone, Default)]
pub struct Config {
    /// Threads; 0: one per CPU that the process may run on. At most 255.
    pub reactors: u32,
    /// Of these, how many have no thread: the first ones.
    /// [`Engine::attach`](crate::engine::Engine::attach) makes each on the thread that is to run
    /// it. `pin`, `sqpoll`, `busy_poll_us` and `coalesce_us` are not for them.
    pub attached: u32,
    /// Connections per reactor; 0: 65,536. At most 2^24 - 1.
    pub connections_max: u32,
    /// Provided buffers per reactor, a power of two from 16 to 32,768; 0: 1,024.
    pub recv_buffers: u32,
    /// Payload bytes of each; 0: 16,384. At least 64, at most 16 MiB.
    pub recv_buffer_size: u32,
    /// By what means the kernel is asked.
    pub backend: Backend,
    /// Pin reactor i to the i-th CPU of the process's affinity mask.
    pub pin: bool,
    /// Let a kernel thread submit (`IORING_SETUP_SQPOLL`).
    pub sqpoll: bool,
    /// How long a reactor with nothing to do looks for work before it sleeps, in microseconds; 0:
    /// it sleeps at once. Saves the time that waking takes, for the price of a busy CPU. At most
    /// 1,000,000.
    pub busy_poll_us: u32,
    /// How long a reactor with nothing to do sleeps at least, in microseconds, unless 64 events
    /// come or a timer is due; 0: the first event wakes it. No event waits for longer, but those
    /// that are taken together are also answered one behind the other. Saves CPU for the price of
    /// latency. At most 1,000,000.
    pub coalesce_us: u32,
    /// Per reactor, bytes for the compressors and inflaters of connections that have their own
    /// ([`Deflate::takeover`](crate::conn::Deflate::takeover)); 0: 64 MiB.
    pub codec_memory_max: u32,
    /// Bytes that the engine may hold for its peers: messages that have come in part, what waits to
    /// be sent, contexts of compression, memory to be used again. 0: half of what the process may
    /// use; `u64::MAX`: no limit; at least 1 MiB. From seven eighths of it on upgrades are answered
    /// with 503; beyond it those that hold most are closed with 1013.
    pub memory_max: u64,
    /// Bytes of a topic's name; 0: 256. At most 65,535.
    pub topic_bytes_max: u32,
    /// Topics that a connection may be a member of; 0: 1,024. At most 1,048,576.
    pub topics_max: u32,
    /// A topic has got its first member on a reactor, or lost its last one there: what a bus to
    /// other machines has to know. On that reactor's thread, by the end of the turn, and in order;
    /// each topic that has begun also ends, before `on_stop`.
    pub on_topic: Option<TopicHook>,
    /// Members of a topic on a reactor do without what was published on other engines, which the
    /// bus has lost, or may have. Once on each reactor that has members, on its thread, by the end
    /// of the turn: messages that came behind the gap may have been sent to members already.
    pub on_gap: Option<GapHook>,
    /// The bus to other machines is up, or down.
    pub on_bus: Option<OnBus>,
    /// Topics of which is kept what was published, for a while; of several rules that a topic falls
    /// under the first. For [`Context::join_from`].
    pub history: Vec<HistoryRule>,
    /// Bytes that are kept of all topics together, beside `memory_max`; 0: an eighth of that, or
    /// 64 MiB if that is less. Beyond it topics keep less than their rules say.
    pub history_bytes_max: u64,
    /// A member that has come back to a topic does without something that has left the history
    /// before it has read it. On its reactor's thread, by the end of the turn.
    pub on_late: Option<LateHook>,
    /// First on each reactor's thread.
    pub on_start: Option<Hook>,
    /// Last on each reactor's thread.
    pub on_stop: Option<Hook>,
    /// Once, after a start that succeeded: every reactor has ended, and each `on_stop` has
    /// returned. On the thread of the last one, which ends with this call.
    pub on_stopped: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Log lines; silent without.
    pub log: Option<Log>,
    /// The word that `Context::reactor_user` starts with.
    pub user: usize,
}

/// Where to listen.
#[derive(Clone, Debug)]
pub enum Address {
    /// Every address, IPv6 and IPv4.
    Any,
    /// One address.
    Ip(IpAddr),
    /// A Unix socket path. Removed first if a socket stands there, and removed at the end.
    Unix(PathBuf),
    /// A socket that listens already, TCP or Unix, and that others may have too: a process before
    /// this one, or behind it. Nothing that waits in its backlog is lost when one of them ends.
    Given(Arc<OwnedFd>),
    /// Those that systemd has passed to this process under a name, or all of them
    /// (sd_listen_fds(3)). As given ones.
    Systemd(Option<String>),
    /// Nowhere: its connections come by [`Engine::adopt`](crate::engine::Engine::adopt) alone.
    Nowhere,
}

/// Which reactor serves a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// The one whose socket the kernel has chosen: by a hash of the addresses, so that the numbers
    /// differ as if they were drawn by lot; of a Unix socket or one that was given, in turn as the
    /// reactors get to accept. Costs nothing.
    #[default]
    Kernel,
    /// Of those that have noticeably fewer connections (by more than one, and by more than the
    /// 128th part) than that one, the one with the fewest: it is handed the accepted socket over.
    /// Connections that we make count, too; what is open is never moved.
    LeastLoaded,
}

/// What to listen on.
#[derive(Clone)]
pub struct Endpoint {
    /// Where.
    pub address: Address,
    /// TCP port; 0: the system chooses. 0 for anything but an address.
    pub port: u16,
    /// Others of the same user may listen on the same address and port (`SO_REUSEPORT`): the kernel
    /// spreads connections over all. Otherwise a port that is taken is refused.
    pub shared: bool,
    /// Connections that may wait to be accepted, on each reactor's socket; the system's `somaxconn`
    /// cuts it. 0: 4,096. Not of a socket that was given.
    pub backlog: u32,
    /// Permissions of a Unix socket's file, of which writing lets connect; 0: as the umask has it.
    pub mode: u32,
    /// Who is called.
    pub handler: Arc<dyn Handler>,
    /// The limits of its connections.
    pub limits: Limits,
    /// What the kernel is told of their sockets.
    pub socket_options: SocketOptions,
    /// Which reactor serves what it accepts.
    pub placement: Placement,
    /// Whose web pages may connect; others are answered with 403 before the handler is asked.
    pub origins: Origins,
    /// What each remote address may have of it, on all reactors together. By default there are no
    /// such limits: behind a NAT or a proxy many peers have one address.
    /// Behind proxies that name their clients, those count.
    pub per_address: AddressLimits,
    /// How many upgrades it takes in a second, on all reactors together. By default there is no
    /// such limit.
    pub admission: Admission,
    /// The proxies in front of it that tell whose connections they forward, by the PROXY protocol:
    /// then [`Context::peer`] and all that goes by addresses means the clients'. `None`: nobody is
    /// believed, and what such a proxy sends is no request.
    pub proxies: Option<Proxies>,
    /// With TLS, under these settings; `None`: plain. Whoever has a clone of them can replace the
    /// certificates while the engine runs.
    pub tls: Option<tls::Server>,
    /// The user word that its connections start with.
    pub user: usize,
    /// Paths that stand for endpoints of their own: from when the head is known it is theirs that
    /// counts. What matches none of them is for the handler here.
    pub routes: Vec<Route>,
}

/// Whom requests and upgrades with certain paths are for.
#[derive(Clone)]
pub struct Route {
    /// `/exact`, `/by/{name}` or `/below/{*rest}`: see [`Routes`](crate::proto::Routes).
    pub pattern: String,
    /// Who is called.
    pub handler: Arc<dyn Handler>,
    /// The limits of its connections. Up to the end of the head those of the endpoint count.
    pub limits: Limits,
    /// Whose web pages may connect.
    pub origins: Origins,
    /// The user word that its connections start with.
    pub user: usize,
}

impl Endpoint {
    /// Every address on `port`, with the default limits, for pages of the same origin.
    pub fn new(port: u16, handler: Arc<dyn Handler>) -> Self {
        let (limits, origins) = (Limits::default(), Origins::default());
        let socket_options = SocketOptions::default();
        let (address, per_address) = (Address::Any, AddressLimits::default());
        let admission = Admission::default();
        let (shared, proxies, tls, user) = (false, None, None, 0);
        let (backlog, mode, placement) = (0, 0, Placement::default());
        Self {
            address,
            port,
            shared,
            backlog,
            mode,
            handler,
            limits,
            socket_options,
            placement,
            origins,
            per_address,
            admission,
            proxies,
            tls,
            user,
            routes: Vec::new(),
        }
    }
}

/// The sizes of a configuration, checked and with the defaults filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) reactors: u32,
    pub(crate) connections_max: u32,
    pub(crate) recv_buffers: u16,
    pub(crate) recv_buffer_size: u32,
    pub(crate) topics: TopicLimits,
    pub(crate) memory_max: u64,
}

impl Config {
    pub(crate) fn sizes(&self) -> Result<Sizes, Error> {
        let or = |value: u32, default: u32| if value == 0 { default } else { value };
        let cpus = || rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count().min(255));
        let reactors = if self.reactors == 0 { cpus() } else { self.reactors };
        let connections_max = or(self.connections_max, 65_536);
        let recv_buffers = or(self.recv_buffers, 1_024);
        let recv_buffer_size = or(self.recv_buffer_size, 16_384);
        let invalid = |text: &str| Err(Error::Invalid(text.into()));
        if reactors > 255 {
            return invalid("reactors: at most 255");
        }
        if self.attached > reactors {
            return invalid("attached: no more than there are reactors");
        }
        if connections_max >= 1 << 24 {
            return invalid("connections_max: less than 2^24");
        }
        let recv_buffers = match u16::try_from(recv_buffers) {
            Ok(count) if count.is_power_of_two() && (16..=32_768).contains(&count) => count,
            _ => return invalid("recv_buffers: a power of two from 16 to 32,768"),
        };
        if !(64..=16 << 20).contains(&recv_buffer_size) {
            return invalid("recv_buffer_size: from 64 bytes to 16 MiB");
        }
        if self.busy_poll_us > 1_000_000 {
            return invalid("busy_poll_us: at most 1,000,000");
        }
        if self.coalesce_us > 1_000_000 {
            return invalid("coalesce_us: at most 1,000,000");
        }
        let topics = TopicLimits::default();
        let topics = TopicLimits {
            bytes_max: or(self.topic_bytes_max, topics.bytes_max),
            topics_max: or(self.topics_max, topics.topics_max),
        };
        if topics.bytes_max > 65_535 {
            return invalid("topic_bytes_max: at most 65,535");
        }
        if topics.topics_max > 1 << 20 {
            return invalid("topics_max: at most 1,048,576");
        }
        let memory_max = match self.memory_max {
            0 => memory_max::default(),
            1..MEMORY_MIN => return invalid("memory_max: at least 1 MiB"),
            max => max,
        };
        Ok(Sizes { reactors, connections_max, recv_buffers, recv_buffer_size, topics, memory_max })
    }

    /// The rules, checked and with the defaults filled in.
    pub(crate) fn history_rules(&self) -> Result<Vec<HistoryRule>, Error> {
        let or = |value: u32, default: u32| if value == 0 { default } else { value };
        let filled = |rule: &HistoryRule| {
            let (bytes_max, age_ms) = (or(rule.bytes_max, 1 << 20), or(rule.age_ms, 60_000));
            match (10..=86_400_000).contains(&age_ms) {
                true => Ok(HistoryRule { bytes_max, age_ms, ..rule.clone() }),
                false => Err(Error::Invalid("age_ms: from 10 to 86,400,000".into())),
            }
        };
        self.history.iter().map(filled).collect()
    }

    /// Bytes that are kept of all topics together.
    pub(crate) fn history_bytes_max(&self, sizes: &Sizes) -> usize {
        let max = match self.history_bytes_max {
            0 => (64 << 20).min(sizes.memory_max / 8),
            max => max,
        };
        usize::try_from(max).unwrap_or(usize::MAX)
    }

    /// Without what is for threads of our own.
    pub(crate) fn for_attached(self) -> Self {
        Self { pin: false, sqpoll: false, busy_poll_us: 0, coalesce_us: 0, ..self }
    }

    /// Of one reactor. All of them take no more than a quarter of the engine's memory: who has
    /// contexts holds them for as long as it is connected, and is not to be closed for that.
    pub(crate) fn codec_memory_max(&self, sizes: &Sizes) -> usize {
        let max = match self.codec_memory_max {
            0 => crate::codec::MEMORY_MAX,
            max => max as usize,
        };
        let quarter = sizes.memory_max / 4 / u64::from(sizes.reactors.max(1));
        max.min(usize::try_from(quarter).unwrap_or(usize::MAX))
    }
}
