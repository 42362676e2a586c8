//! The types that name each other, as a service and its engine do: a handler is lent a context, in
//! a context one can connect to a target, a target has a handler; and jobs, which are lent a
//! context too, travel by mail, through a handle that a context has. They stand in one file, so
//! that no other files have to name each other: what they can do lies in files above this one.

use crate::bus::Gap;
use crate::codec::Done;
use crate::conn::tools::Policed;
use crate::conn::{Limits, Tools, Writer};
use crate::memory::Pool;
use crate::proto::handshake::{Refusal, Reply, Request, Response};
use crate::proto::url::Host;
use crate::proto::{Answer, Ask, Origins, Proxy, Url};
use crate::reactor::api::closed::Closed;
use crate::reactor::api::upgrade::{Asked, Message, Messages, Upgrade};
use crate::reactor::client::dials::Dials;
use crate::reactor::client::refusal::NotConnected;
use crate::reactor::core::addresses::{AddressLimits, Addresses};
use crate::reactor::core::admission::Door;
use crate::reactor::core::adopt::{Adoptee, Adopts, Given, Moves};
use crate::reactor::core::appetite::Inflating;
use crate::reactor::core::backlogs::Backlogs;
use crate::reactor::core::budget::{Budget, MemoryUse};
use crate::reactor::core::counters::Counters;
use crate::reactor::core::directory::Directory;
use crate::reactor::core::early::Early;
use crate::reactor::core::ending::{Drain, Ending, Tally};
use crate::reactor::core::endpoints::ByEndpoint;
use crate::reactor::core::gauge::Gauges;
use crate::reactor::core::inbox::Inbox;
use crate::reactor::core::later::Laters;
use crate::reactor::core::lines::Lines;
use crate::reactor::core::loads::Loads;
use crate::reactor::core::log::Logger;
use crate::reactor::core::mail;
use crate::reactor::core::mailbox::Mailbox;
use crate::reactor::core::name::{Conn, Later};
use crate::reactor::core::own::Own;
use crate::reactor::core::parting::Succession;
use crate::reactor::core::served::ServedTime;
use crate::reactor::core::slab::Slab;
use crate::reactor::core::timers::Timers;
use crate::reactor::core::topics::Topics;
use crate::reactor::core::wheel::Wheel;
use crate::reactor::deliver::shared::Source;
use crate::ring::{SocketOptions, Waker};
use crate::tick::Tick;
use crate::tls;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};

/// What a reactor's thread, or the callback of a timer, is to do.
pub(crate) type Job = Box<dyn FnOnce(&mut Context) + Send>;

/// What is called again and again.
pub(crate) type Repeated = Box<dyn FnMut(&mut Context) + Send>;

/// What a timer calls.
pub(crate) enum Call {
    Once(Job),
    Every(Repeated),
}

/// What other threads ask a reactor for.
pub(crate) type Mail = mail::Mail<Job, Target>;

/// Told that a topic has got its first member on a reactor (`true`), or lost its last one there.
pub type TopicHook = Arc<dyn Fn(&mut Context, &[u8], bool) + Send + Sync>;

/// Told what the members of a topic on a reactor do without.
pub type GapHook = Arc<dyn Fn(&mut Context, &[u8], &Gap) + Send + Sync>;

/// Told that a member of a topic does without what has left the history before it has read it.
pub type LateHook = Arc<dyn Fn(&mut Context, Conn, &[u8]) + Send + Sync>;

/// The callbacks of an endpoint. `on_open` and `on_close` pair exactly once per connection that
/// was accepted; nothing comes before the one or after the other, except `on_upgrade` and
/// `on_request`.
pub trait Handler: Send + Sync + 'static {
    /// A valid upgrade request: `Ok` answers 101, `Err` the given status. After
    /// [`Asked::later`] `Ok` leaves it for [`Handle::answer`].
    fn on_upgrade(&self, _ctx: &mut Context, _upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        Ok(())
    }
    /// A web page that the endpoint's `origins` do not name: `true` lets `on_upgrade` decide all
    /// the same, `false` answers 403.
    fn on_origin(&self, _ctx: &mut Context, _upgrade: &mut Upgrade<'_>) -> bool {
        false
    }
    /// An HTTP request that is no upgrade, with its body: only where `Limits::requests` is set.
    /// Afterwards another one may follow on the same connection, or an upgrade. After
    /// [`Asked::later`] what is returned here is not looked at.
    fn on_request(&self, _ctx: &mut Context, _asked: &Asked<'_>) -> Reply {
        Reply::new(404)
    }
    /// A request that was left for later was not answered: the peer has gone, has ended its
    /// direction, the engine stops, or `Limits::handshake_timeout_ms` is over; or it was answered
    /// with 101, and that came too late. `user` is what [`Handle::answer`] was given, if it has
    /// said `Ok`, else the user word that `on_upgrade` has left, or of the endpoint.
    fn on_gone(&self, _ctx: &mut Context, _later: Later, _user: usize) {}
    /// The connection is open.
    fn on_open(&self, _ctx: &mut Context, _conn: Conn) {}
    /// A connection that we were to make did not come to be: instead of `on_open` and `on_close`.
    fn on_refused(&self, _ctx: &mut Context, _why: &mut NotConnected<'_>) {}
    /// A message, or a part of one with `Limits::stream`.
    fn on_message(&self, _ctx: &mut Context, _conn: Conn, _message: Message<'_>) {}
    /// Several messages that came together, each to be handed to `on_message`. Not for you to
    /// implement: it is here so that its loop is compiled with your `on_message` in it.
    #[doc(hidden)]
    #[inline]
    fn on_messages<'b>(
        &self,
        ctx: &mut Context,
        conn: Conn,
        messages: Messages<'b>,
    ) -> Messages<'b> {
        // In registers: a parameter of this size is memory, written with each message.
        let Messages { batch } = messages;
        let mut messages = Messages { batch };
        while let Some(message) = messages.next(ctx) {
            self.on_message(ctx, conn, message);
        }
        messages
    }
    /// A Pong came that answers no Ping of the engine's own.
    fn on_pong(&self, _ctx: &mut Context, _conn: Conn, _payload: &[u8]) {}
    /// The send queue was full and has fallen below half of its limit.
    fn on_drain(&self, _ctx: &mut Context, _conn: Conn) {}
    /// The connection stands between two messages, with nothing queued, and could go to the process
    /// that succeeds this one ([`Engine::hand_over`](crate::engine::Engine::hand_over)): what is to
    /// be known of it there, at most 64 KiB. `None`, or more: it stays, and is drained. If what is
    /// sent in here, or another call, keeps it from going at once it is asked again later; else
    /// `on_close` follows, with [`Cause::PassedOn`](crate::conn::Cause::PassedOn).
    fn on_hand_over(&self, _ctx: &mut Context, _conn: Conn) -> Option<Vec<u8>> {
        None
    }
    /// In the place of `on_open`: a connection that the process before this one has handed over,
    /// with what that has given it along, and a member of the topics that it was a member of. Its
    /// user word is its endpoint's. In the process that hands over, too, with a new handle, for one
    /// that was under way when the successor failed.
    fn on_taken_over(&self, ctx: &mut Context, conn: Conn, _state: &[u8]) {
        self.on_open(ctx, conn);
    }
    /// The connection is gone; its handle is stale from here on (`Context::user` still answers
    /// inside this call).
    fn on_close(&self, _ctx: &mut Context, _conn: Conn, _closed: &mut Closed<'_>) {}
}

/// The reactor of the calling thread, lent to a callback.
pub struct Context {
    pub(crate) slab: Slab,
    pub(crate) pool: Pool,
    pub(crate) tools: Tools,
    /// What of the codec is in the counters.
    pub(crate) codec_counted: (Done, usize),
    /// What of the policies is.
    pub(crate) policed_counted: Policed,
    /// Slots that must be reconciled with the kernel before the turn ends. Each at most once.
    pub(crate) dirty: Vec<u32>,
    pub(crate) wheel: Wheel,
    pub(crate) timers: Timers<Call>,
    pub(crate) limits: ByEndpoint<Limits>,
    pub(crate) origins: ByEndpoint<Origins>,
    pub(crate) per_address: ByEndpoint<AddressLimits>,
    pub(crate) doors: ByEndpoint<Option<Arc<Door>>>,
    /// Of a route, the endpoint that is listened on; of others, themselves.
    pub(crate) homes: ByEndpoint<u32>,
    /// Of each endpoint that is listened on, the number of its first route.
    pub(crate) first_routes: Vec<u32>,
    pub(crate) post: Post,
    pub(crate) topics: Topics,
    pub(crate) early: Early,
    pub(crate) log: Logger,
    pub(crate) counters: Arc<Counters>,
    pub(crate) source: Source,
    pub(crate) inflating: Inflating,
    pub(crate) memory: MemoryUse,
    pub(crate) backlogs: Backlogs,
    pub(crate) batch: BatchAtWork,
    /// Requests that wait for their answers, or whose answers are on their way.
    pub(crate) waits: Waits,
    /// Connections that are being made.
    pub(crate) dials: Dials<Target>,
    /// Connections that have come by mail, and wait for their place in the ring.
    pub(crate) adoptees: VecDeque<Box<Adoptee<Job>>>,
    /// What the application has said of connections that it has handed over, by their slots, until
    /// they are open.
    pub(crate) given: HashMap<u32, Box<Given<Job>>>,
    /// Those that leave for other reactors.
    pub(crate) moves: Moves,
    /// What is known of the process that succeeds this one.
    pub(crate) succession: Succession,
    /// The server's answer, while its connection is being reported open.
    pub(crate) answer: Option<(Conn, Answer<'static>)>,
    pub(crate) now: Tick,
    pub(crate) served: ServedTime,
    /// Nobody is accepted any more, and upgrades are refused.
    pub(crate) draining: bool,
    /// The connections are being sent their Close, and no others are made.
    pub(crate) closing: bool,
    pub(crate) ending: Ending,
    pub(crate) index: u32,
    pub(crate) user: usize,
}

/// Requests that wait for their answers.
#[derive(Default)]
pub(crate) struct Waits {
    pub(crate) all: HashMap<Later, Wait>,
    /// The number of the latest that might have waited.
    pub(crate) latest: u64,
}

/// What the answer to a request is made from that waits for it.
pub(crate) struct Wait {
    pub(crate) conn: Conn,
    pub(crate) handler: Arc<dyn Handler>,
    /// Of an upgrade; with what was added to its answer.
    pub(crate) upgrade: Option<(Request<'static>, Response)>,
    pub(crate) user: usize,
    /// The endpoint that the connection goes back to for the next request, and its user word.
    pub(crate) home: (u32, usize),
}

/// The batch of short messages that is being delivered.
#[derive(Debug)]
pub(crate) struct BatchAtWork {
    /// Whose it is; none when there is no batch.
    pub(crate) conn: Conn,
    /// No more of it: the connection was paused or aborted.
    pub(crate) stopped: bool,
    /// The connection's user word.
    pub(crate) user: usize,
    /// The connection, or none: the one that `writer` is open on. `Own` says whether it may still
    /// be used.
    pub(crate) written: Conn,
    pub(crate) writer: Writer,
}

/// What passes between this reactor, other threads and itself.
pub(crate) struct Post {
    pub(crate) handle: Handle,
    /// What this thread asks of us through a handle.
    pub(crate) own: Arc<Own<Mail>>,
    /// What other threads have asked for, and was not carried out yet.
    pub(crate) inbox: Inbox<Mail>,
    /// Who waits for the end of somebody's message.
    pub(crate) lines: Lines<Mail>,
    /// Other reactors that have mail from us and must be woken when the turn ends.
    pub(crate) to_wake: Vec<u32>,
    /// So must the bus, once the kernel has what goes to members here: its thread may run at once,
    /// and on this CPU.
    pub(crate) wakes_bus: bool,
}

impl Post {
    pub(crate) fn new(handle: Handle, own: Arc<Own<Mail>>) -> Self {
        let (inbox, lines) = (Inbox::default(), Lines::default());
        own.mail.open();
        Self { handle, own, inbox, lines, to_wake: Vec::new(), wakes_bus: false }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("index", &self.index).field("now", &self.now).finish()
    }
}

/// A server to connect to.
#[derive(Clone)]
pub struct Target {
    pub(crate) url: Url,
    pub(crate) ask: Arc<Ask>,
    pub(crate) proxy: Option<Proxy>,
    /// Whose certificate the server must show, if another's than that of the URL's host.
    pub(crate) tls_name: Option<Host>,
    /// How to speak TLS with a `wss://` server; `None`: trusting whom the system trusts.
    pub tls: Option<tls::Client>,
    /// Who is called.
    pub handler: Arc<dyn Handler>,
    /// The limits of the connection.
    pub limits: Limits,
    /// What the kernel is told of its socket.
    pub socket_options: SocketOptions,
    /// The user word that it starts with.
    pub user: usize,
    /// The reactor that it belongs to; `None`: the calling one in a callback, else each in turn.
    pub reactor: Option<u32>,
    /// For the name, TCP, the proxy and TLS together. Default 10,000 ms.
    pub connect_timeout_ms: u32,
    /// How long to wait before connecting again, doubled with each failure and varied at random
    /// between half of it and all. 0, the default: never. Not after the application itself has
    /// closed or aborted the connection.
    pub retry_min_ms: u32,
    /// What that grows to. 0: 30,000 ms, or `retry_min_ms` if that is more.
    pub retry_max_ms: u32,
}

/// What all threads of an engine share.
pub(crate) struct Shared {
    pub(crate) mailboxes: Vec<Mailbox<Mail>>,
    pub(crate) owns: Vec<Arc<Own<Mail>>>,
    pub(crate) gauges: Vec<Gauges>,
    pub(crate) directory: Directory,
    pub(crate) laters: Laters,
    pub(crate) budget: Budget,
    pub(crate) addresses: Addresses,
    pub(crate) wakers: Arc<[Waker]>,
    pub(crate) counters: Vec<Arc<Counters>>,
    pub(crate) loads: Arc<Loads>,
    /// The endpoints by their numbers, from the start on.
    pub(crate) adopts: OnceLock<Vec<Adopts>>,
    /// 0 while running, else see `GRACE_BITS`.
    pub(crate) stop: AtomicU64,
    /// How it ends, once that is known: `None` where it is only stopped.
    pub(crate) drain: OnceLock<Option<Drain>>,
    pub(crate) tally: Tally,
    /// Reactors that have not ended: those that never were, too.
    pub(crate) left: AtomicU32,
    /// Which reactor gets the next connection.
    pub(crate) next: AtomicU32,
    /// The number of the latest connect.
    pub(crate) dials: AtomicU64,
}

/// The engine as other threads see it. Calls are queued to the reactor that owns the connection;
/// order is kept per calling thread. Never blocks for long; wakes the reactor once per batch.
///
/// Inside a callback, a call on a connection of the same reactor is carried out before the next one
/// that is made through [`Context`] on a connection, and at the latest when the callbacks of the
/// turn have returned: so these too keep their order.
///
/// What is sent to a connection that is in the middle of a message (`SendFlags::more`) of another
/// thread, or of callbacks, waits until that has ended, and counts against its `send_queue_max`.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);
