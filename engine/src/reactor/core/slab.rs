//! Connection slots: a dense array, reused, each tenant with a generation of its own.

use super::arena::Arena;
use super::rare::Rare;
use crate::conn::{Connection, Disposition, Reading};
use crate::reactor::core::name::{Conn, Later};
use crate::reactor::core::peer::PeerAddress;
use crate::reactor::core::proxies::ByProxy;
pub(crate) use crate::reactor::core::rare::NO_DIAL;
use crate::reactor::core::receive_mode::ReceiveState;
use crate::reactor::core::wheel::NodeId;
use crate::ring::{Errno, Socket, Token};
use std::collections::TryReserveError;

/// From so many bytes on that wait for their turn, what follows is left to TCP.
const PARKED_MAX: usize = 64 << 10;

/// Names a socket that never got a slot.
pub(crate) const NO_SLOT: Token = Token { slot: (1 << 24) - 1, generation: 0 };

/// Where a tenant stands between accept and the reuse of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Traffic flows; the handle is valid once the connection is open.
    Live,
    /// Reported closed; the operations in flight are being joined.
    Joining,
    /// The socket is being closed; nothing else is in flight.
    Closing,
}

/// What the peer has done with its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// Nothing.
    Open,
    /// Ended it, as a poll has said: what has come before is still to be received.
    Ending,
    /// Ended it, and all was received; or the transport failed. Nothing more can be received.
    Ended,
}

/// What ends a connection beside the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndsBy {
    /// Nothing: the connection knows.
    Itself,
    /// A call of the application.
    Application,
    /// The grace of a stop is over.
    Stop,
    /// A receive has failed with the slot's `errno`, or a poll has.
    Receiving,
    /// A send has.
    Sending,
    /// Nothing: another process serves it on.
    PassedOn,
    /// The reactor cannot go on, with that `errno`, or with none after a panic.
    Reactor,
    /// TLS could not begin, or go on, and has nothing to say to the peer.
    #[cfg(feature = "tls")]
    Tls,
}

/// One connection and what the reactor knows of it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) conn: Connection,
    pub(crate) socket: Socket,
    pub(crate) user: usize,
    pub(crate) peer: PeerAddress,
    /// What few connections have.
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) timer: Option<NodeId>,
    pub(crate) endpoint: u32,
    pub(crate) phase: Phase,
    pub(crate) receive: ReceiveState,
    pub(crate) incoming: Incoming,
    /// A send is in flight. At most one.
    pub(crate) sending: bool,
    /// Which wait submitted it.
    pub(crate) sent_in: u32,
    /// Our direction has been ended, or has failed.
    pub(crate) send_ended: bool,
    /// On the dirty list.
    pub(crate) dirty: bool,
    /// The last batch of short messages was answered.
    pub(crate) answered: bool,
    /// Nothing is to be waited for any more: the socket is to be given back.
    pub(crate) abort: bool,
    /// Why it ends, as far as the connection itself cannot know.
    pub(crate) ends_by: EndsBy,
    /// The application itself has closed or aborted it.
    pub(crate) quit: bool,
    /// Other threads send to it, and may ask how much it has queued.
    pub(crate) mailed: bool,
}

// Most of what an idle connection costs.
const _: () = assert!(size_of::<Slot>() <= 192);

impl Slot {
    fn new(conn: Connection, socket: Socket, endpoint: u32) -> Self {
        Self {
            conn,
            socket,
            user: 0,
            peer: PeerAddress::NONE,
            rare: None,
            timer: None,
            endpoint,
            phase: Phase::Live,
            receive: ReceiveState::Down,
            incoming: Incoming::Open,
            sending: false,
            sent_in: 0,
            send_ended: false,
            dirty: false,
            answered: false,
            abort: false,
            ends_by: EndsBy::Itself,
            quit: false,
            mailed: false,
        }
    }

    /// Whether the application may act on it.
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Live && !self.abort && self.conn.opened()
    }

    /// Whether nothing more can be received.
    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.incoming == Incoming::Ended
    }

    /// The dial that made it; else `NO_DIAL`.
    #[inline]
    pub(crate) fn dial(&self) -> u32 {
        self.rare.as_ref().map_or(NO_DIAL, |rare| rare.dial)
    }

    /// The same; the dial has nothing to do with it any more.
    pub(crate) fn take_dial(&mut self) -> u32 {
        self.rare.as_mut().map_or(NO_DIAL, |rare| std::mem::replace(&mut rare.dial, NO_DIAL))
    }

    /// Bytes that the latest direct receive of the frame in progress has brought.
    pub(crate) fn latest_direct(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.large.latest as usize)
    }

    /// Whether what the peer sends is to stay where it is, for an application that has paused.
    #[inline(always)]
    pub(crate) fn holds(&self) -> bool {
        self.conn.reading() == Reading::Hold
    }

    /// Whether what comes has to wait: the application has paused, or bytes before it wait.
    #[inline(always)]
    pub(crate) fn keeps_back(&self) -> bool {
        let waits = |rare: &Rare| rare.appetite.waits || !rare.parked.is_empty();
        self.holds() || self.rare.as_deref().is_some_and(waits)
    }

    /// Whether it stands in line to inflate what it has received.
    pub(crate) fn stands_in_line(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.appetite.waits)
    }

    /// Whether so much waits that no more is to be received.
    pub(crate) fn is_clogged(&self) -> bool {
        self.stands_in_line() && self.parked_len() >= PARKED_MAX
    }

    /// Whether received bytes wait for the application to read again, or for their turn.
    #[inline]
    pub(crate) fn has_parked(&self) -> bool {
        self.parked_len() > 0
    }

    /// How many.
    #[inline]
    pub(crate) fn parked_len(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.parked.len())
    }

    /// Keeps bytes behind those that wait.
    pub(crate) fn park(&mut self, bytes: &[u8]) {
        self.rare().parked.extend_from_slice(bytes);
    }

    /// Bytes of memory that it keeps.
    pub(crate) fn held(&self) -> usize {
        let rare = self.rare.as_ref();
        let kept = rare.map_or(0, |rare| {
            let asked = rare.later.map_or(0, |(_, bytes)| bytes);
            let told = rare.by_proxy.as_ref().map_or(0, ByProxy::held);
            rare.parked.capacity() + rare.large.lent + asked + told
        });
        self.conn.held() + kept + self.secure_held()
    }

    /// Takes all that wait.
    pub(crate) fn take_parked(&mut self) -> Vec<u8> {
        self.rare.as_mut().map_or_else(Vec::new, |rare| std::mem::take(&mut rare.parked))
    }

    /// What ended the transport; 0 while nothing did.
    pub(crate) fn errno(&self) -> i32 {
        self.rare.as_ref().map_or(0, |rare| rare.errno)
    }

    /// It has ended the transport.
    pub(crate) fn set_errno(&mut self, errno: Errno) {
        self.rare().errno = errno.raw_os_error();
    }

    /// Calls of other threads that were handed over and not carried out, what was published and
    /// refused, and messages that were dropped because the queue was full.
    pub(crate) fn dropped(&self) -> u32 {
        let mails = self.rare.as_ref().map_or(0, |rare| rare.mail_dropped);
        mails.saturating_add(self.conn.dropped())
    }

    /// So many more.
    pub(crate) fn count_mail_dropped(&mut self, mails: usize) {
        let mails = u32::try_from(mails).unwrap_or(u32::MAX);
        let dropped = &mut self.rare().mail_dropped;
        *dropped = dropped.saturating_add(mails);
    }

    /// The nodes of the wheel that it has beside that of its deadline.
    pub(crate) fn take_nodes(&mut self) -> [Option<NodeId>; 2] {
        let take = |rare: &mut Box<Rare>| [rare.lifetime.take(), rare.pings.take()];
        self.rare.as_mut().map_or([None; 2], take)
    }

    /// The request that waits for its answer.
    pub(crate) fn later(&self) -> Option<Later> {
        self.rare.as_ref().and_then(|rare| rare.later).map(|(later, _)| later)
    }

    /// Nothing of it may be needed any more.
    pub(crate) fn drop_idle_rare(&mut self) {
        if self.rare.as_deref().is_some_and(Rare::is_idle) {
            self.rare = None;
        }
    }

    /// To be given what few have.
    pub(crate) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Whether the closing handshake is complete, and only TCP is left.
    pub(crate) fn is_closed(&self) -> bool {
        match self.conn.disposition() {
            Disposition::Finish => self.send_ended,
            Disposition::Await => self.conn.buffered() == 0,
            Disposition::Open | Disposition::Abort => false,
        }
    }
}

/// The slots of one reactor.
#[derive(Debug)]
pub(crate) struct Slab {
    slots: Arena<Slot>,
    slots_max: usize,
}

impl Slab {
    /// Room for `slots_max` tenants, reserved now and touched when used.
    pub(crate) fn new(slots_max: u32) -> Result<Self, TryReserveError> {
        let slots_max = slots_max as usize;
        Ok(Self { slots: Arena::with_room(slots_max)?, slots_max })
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Tenants that may still move in.
    pub(crate) fn room(&self) -> usize {
        self.slots_max - self.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.slots_max
    }

    /// Moves a connection in; `None` when full.
    pub(crate) fn insert(
        &mut self,
        conn: Connection,
        socket: Socket,
        endpoint: u32,
    ) -> Option<(u32, &mut Slot)> {
        if self.is_full() {
            return None;
        }
        let index = self.slots.insert(Slot::new(conn, socket, endpoint)).slot;
        Some((index, self.at(index)))
    }

    /// Moves the tenant out: all its names are stale from here on.
    pub(crate) fn vacate(&mut self, index: u32) {
        let slot = self.slots.remove(index);
        let down = slot.is_some_and(|slot| !slot.receive.is_up() && !slot.sending);
        assert!(down, "a slot is reset only when both are down");
    }

    /// The name of a slot's tenant in completions.
    #[inline]
    pub(crate) fn token(&self, index: u32) -> Token {
        self.slots.name(index)
    }

    /// The tenant that a completion names, if it is still there.
    #[inline]
    pub(crate) fn by_token(&mut self, token: Token) -> Option<&mut Slot> {
        self.slots.get_mut(token)
    }

    /// The tenant that a handle names, in whatever phase.
    pub(crate) fn by_conn(&self, conn: Conn) -> Option<&Slot> {
        self.slots.get(token_of(conn))
    }

    /// The tenant that a handle names, while the application may act on it.
    #[inline]
    pub(crate) fn live(&mut self, conn: Conn) -> Option<&mut Slot> {
        self.slots.get_mut(token_of(conn)).filter(|slot| slot.phase == Phase::Live && !slot.abort)
    }

    /// The tenant of a slot, if there is one.
    #[inline]
    pub(crate) fn get(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.at(index)
    }

    /// The tenant of a slot. Panics when there is none.
    #[inline]
    pub(crate) fn at(&mut self, index: u32) -> &mut Slot {
        self.slots.at(index).expect("a slot that has a tenant")
    }

    /// All tenants, by their names.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Token, &Slot)> {
        self.slots.iter().map(|(index, slot)| (self.slots.name(index), slot))
    }

    /// Indices of all tenants in a phase.
    pub(crate) fn in_phase(&self, phase: Phase) -> Vec<u32> {
        let matching = self.slots.iter().filter(|(_, slot)| slot.phase == phase);
        matching.map(|(index, _)| index).collect()
    }
}

/// The name in completions of the connection that a handle names.
#[inline]
fn token_of(conn: Conn) -> Token {
    Token { slot: conn.slot(), generation: conn.generation() }
}
