//! Connection slots: a dense array, reused, each tenant with a generation of its own.

use crate::conn::{Connection, Disposition, Reading};
#[cfg(feature = "tls")]
use crate::reactor::core::link::Link;
use crate::reactor::core::name::Conn;
use crate::reactor::core::peer::PeerAddress;
use crate::reactor::core::receive_mode::ReceiveMode;
use crate::reactor::core::wheel::NodeId;
use crate::ring::{Errno, Socket, Token};
use std::collections::TryReserveError;

/// Names no dial.
pub(crate) const NO_DIAL: u32 = u32::MAX;

/// Names a socket that never got a slot.
pub(crate) const NO_SLOT: Token = Token { slot: (1 << 24) - 1, generation: 0 };

/// Where a tenant stands between accept and the reuse of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody lives here.
    Vacant,
    /// Traffic flows; the handle is valid once the connection is open.
    Live,
    /// Reported closed; the operations in flight are being joined.
    Joining,
    /// The socket is being closed; nothing else is in flight.
    Closing,
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
    pub(crate) generation: u32,
    pub(crate) socket: Socket,
    pub(crate) user: usize,
    pub(crate) peer: PeerAddress,
    /// What few connections have.
    rare: Option<Box<Rare>>,
    /// Its TLS, if it has any.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Box<Link>>,
    pub(crate) timer: Option<NodeId>,
    /// Memory granted to the message in progress before it has come.
    pub(crate) known: usize,
    pub(crate) endpoint: u32,
    /// Of a connection that we made; else `NO_DIAL`.
    pub(crate) dial: u32,
    pub(crate) phase: Phase,
    /// A receive is armed. At most one.
    pub(crate) receiving: bool,
    /// Of which kind that is.
    pub(crate) how: ReceiveMode,
    /// Bytes that the latest direct receive of the frame in progress has brought.
    pub(crate) fresh: u32,
    /// Heads received in a row that began no large frame.
    pub(crate) quiet: u8,
    /// That receive is being cancelled.
    pub(crate) cancelling: bool,
    /// A send is in flight. At most one.
    pub(crate) sending: bool,
    /// On the dirty list.
    pub(crate) dirty: bool,
    /// The last run of messages was answered.
    pub(crate) answered: bool,
    /// Nothing is to be waited for any more: the socket is to be given back.
    pub(crate) abort: bool,
    /// Why it ends, as far as the connection itself cannot know.
    pub(crate) ends_by: EndsBy,
    /// Nothing more can be received: the peer has ended its direction, or the transport failed.
    pub(crate) end_of_stream: bool,
    /// A poll has said that the peer has ended its direction.
    pub(crate) end_seen: bool,
    /// Our direction has been ended, or has failed.
    pub(crate) send_ended: bool,
    /// TLS sends its last words to a peer that has ended its direction.
    pub(crate) lingering: bool,
    /// Which wait submitted the send that is in flight.
    pub(crate) sent_in: u32,
    /// The application itself has closed or aborted it.
    pub(crate) quit: bool,
    /// Other threads send to it, and may ask how much it has queued.
    pub(crate) mailed: bool,
}

// Most of what an idle connection costs.
const _: () = assert!(size_of::<Slot>() <= 232);

/// What few connections have: apart, so that the many do not pay for it.
#[derive(Debug, Default)]
struct Rare {
    /// Received while paused, or left over when a callback paused. A copy: a lease must not wait
    /// for the application.
    parked: Vec<u8>,
    /// What ended the transport; 0 while nothing did.
    errno: i32,
    /// Calls of other threads that were handed over and not carried out.
    mail_dropped: u32,
}

impl Slot {
    /// Whether what the peer sends is to stay where it is, for an application that has paused.
    #[inline(always)]
    pub(crate) fn holds(&self) -> bool {
        self.conn.reading() == Reading::Hold
    }

    /// Whether received bytes wait for the application to read again.
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

    /// Calls of other threads that were handed over and not carried out.
    pub(crate) fn mail_dropped(&self) -> u32 {
        self.rare.as_ref().map_or(0, |rare| rare.mail_dropped)
    }

    /// So many more.
    pub(crate) fn count_mail_dropped(&mut self, mails: usize) {
        let mails = u32::try_from(mails).unwrap_or(u32::MAX);
        let dropped = &mut self.rare().mail_dropped;
        *dropped = dropped.saturating_add(mails);
    }

    fn rare(&mut self) -> &mut Rare {
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
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    slots_max: usize,
}

impl Slab {
    /// Room for `slots_max` tenants, reserved now and touched when used.
    pub(crate) fn new(slots_max: u32) -> Result<Self, TryReserveError> {
        let slots_max = slots_max as usize;
        let (mut slots, mut vacant) = (Vec::new(), Vec::new());
        slots.try_reserve_exact(slots_max)?;
        vacant.try_reserve_exact(slots_max)?;
        Ok(Self { slots, vacant, slots_max })
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
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
        let mut fresh = Slot {
            conn,
            generation: 1,
            socket,
            user: 0,
            peer: PeerAddress::NONE,
            rare: None,
            #[cfg(feature = "tls")]
            tls: None,
            timer: None,
            known: 0,
            endpoint,
            dial: NO_DIAL,
            phase: Phase::Live,
            receiving: false,
            how: ReceiveMode::Multishot,
            fresh: 0,
            quiet: 0,
            cancelling: false,
            sending: false,
            dirty: false,
            answered: false,
            abort: false,
            ends_by: EndsBy::Itself,
            end_of_stream: false,
            end_seen: false,
            send_ended: false,
            lingering: false,
            sent_in: 0,
            quit: false,
            mailed: false,
        };
        if let Some(index) = self.vacant.pop() {
            let slot = &mut self.slots[index as usize];
            fresh.generation = slot.generation;
            *slot = fresh;
            return Some((index, slot));
        }
        if self.slots.len() >= self.slots_max {
            return None;
        }
        let index = self.slots.len() as u32;
        self.slots.push(fresh);
        Some((index, &mut self.slots[index as usize]))
    }

    /// Moves the tenant out: all its names are stale from here on.
    pub(crate) fn vacate(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        assert!(!slot.receiving && !slot.sending, "a slot is reset only when both are down");
        slot.phase = Phase::Vacant;
        // Generation 0 is skipped, so that no handle is ever 0.
        slot.generation = slot.generation.wrapping_add(1).max(1);
        self.vacant.push(index);
    }

    /// The tenant that a completion names, if it is still there.
    pub(crate) fn by_token(&mut self, token: Token) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(token.slot as usize)?;
        (slot.generation == token.generation && slot.phase != Phase::Vacant).then_some(slot)
    }

    /// The tenant that a handle names, in whatever phase.
    pub(crate) fn by_conn(&self, conn: Conn) -> Option<&Slot> {
        let slot = self.slots.get(conn.slot() as usize)?;
        (slot.generation == conn.generation() && slot.phase != Phase::Vacant).then_some(slot)
    }

    /// The tenant that a handle names, while the application may act on it.
    pub(crate) fn live(&mut self, conn: Conn) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(conn.slot() as usize)?;
        let live = slot.generation == conn.generation() && slot.phase == Phase::Live && !slot.abort;
        live.then_some(slot)
    }

    /// A slot by index. Panics when there never was one.
    pub(crate) fn at(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    /// Indices of all tenants in a phase.
    pub(crate) fn in_phase(&self, phase: Phase) -> Vec<u32> {
        let matching = self.slots.iter().enumerate().filter(|(_, slot)| slot.phase == phase);
        matching.map(|(index, _)| index as u32).collect()
    }
}

/// The name of a slot's tenant in completions.
pub(crate) fn token_of(index: u32, slot: &Slot) -> Token {
    Token { slot: index, generation: slot.generation }
}
