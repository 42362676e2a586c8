//! Open connections that leave for the process that succeeds this one.

use crate::reactor::core::carried::Carried;
use crate::reactor::core::name::Conn;
use crate::reactor::core::wheel::NodeId;
use std::collections::{HashMap, HashSet, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// What the successor has for connections of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Takes {
    /// It serves it, without TLS.
    pub(crate) any: bool,
    /// It speaks permessage-deflate there.
    pub(crate) deflated: bool,
}

/// A listening socket of a reactor.
#[derive(Debug)]
pub(crate) struct ListeningOn {
    pub(crate) endpoint: u16,
    pub(crate) socket: OwnedFd,
}

/// What the thread that hands over asks a reactor for.
#[derive(Debug)]
pub(crate) enum Order {
    /// Copies of its listening sockets.
    Listeners(Sender<Told>),
    /// To accept nobody, and to let go who may, by endpoint, over that lane.
    Begin(Sender<Told>, Arc<[Takes]>, u64),
    /// To let go so many more.
    More(u32),
    /// To go on as before.
    Stay,
    /// In the new process: to look at the listening sockets anew.
    AcceptAnew,
    /// All who may have gone. Its listening sockets are others' from here on.
    Finish,
}

/// What a reactor tells that thread.
#[derive(Debug)]
pub(crate) enum Told {
    Listeners(Vec<ListeningOn>),
    /// Nothing of that reactor waits for a connection any more.
    Quiet,
    /// One has left that reactor.
    Gone(u32, Box<Carried>, OwnedFd),
    /// Nobody is left on that reactor that might still go.
    Nobody(u32),
    /// `Finish` was done; so many are open that stay.
    Finished(u64),
}

/// What a reactor knows of its successor.
#[derive(Debug, Default)]
pub(crate) struct Succession {
    pub(crate) orders: VecDeque<Order>,
    pub(crate) parting: Option<Box<Parting>>,
}

/// Connections leave.
#[derive(Debug)]
pub(crate) struct Parting {
    pub(crate) to: Sender<Told>,
    pub(crate) takes: Arc<[Takes]>,
    /// Over which what is published goes.
    pub(crate) lane: u64,
    /// So many may go now.
    pub(crate) credit: u32,
    /// To be looked at.
    pub(crate) waiting: VecDeque<Conn>,
    /// Those that are held until nothing of them is with the kernel, by their slots: whether the
    /// application has paused them.
    pub(crate) leaving: HashMap<u32, bool>,
    /// Those of them of which nothing is.
    pub(crate) ready: Vec<u32>,
    /// Those that the application keeps.
    pub(crate) kept: HashSet<Conn>,
    /// For when others are looked for.
    pub(crate) node: Option<NodeId>,
    /// That nobody is left was told.
    pub(crate) told: bool,
    /// That its accepts are down was told.
    pub(crate) quiet: bool,
    /// Sockets that leave the ring.
    pub(crate) away: u32,
    /// All who may have gone.
    pub(crate) finishing: bool,
}

impl Parting {
    pub(crate) fn new(to: Sender<Told>, takes: Arc<[Takes]>, lane: u64) -> Self {
        Self {
            to,
            takes,
            lane,
            credit: 0,
            waiting: VecDeque::new(),
            leaving: HashMap::new(),
            ready: Vec::new(),
            kept: HashSet::new(),
            node: None,
            told: false,
            quiet: false,
            away: 0,
            finishing: false,
        }
    }

    /// Whether others may go now.
    pub(crate) fn goes_on(&self) -> bool {
        self.credit > 0 && !self.waiting.is_empty()
    }
}

impl Succession {
    /// Whether there is something to be done now.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        let due = |parting: &Parting| !parting.ready.is_empty();
        let due = |parting: &Parting| due(parting) || parting.goes_on();
        !self.orders.is_empty() || self.parting.as_deref().is_some_and(due)
    }

    /// Whether a slot's connection is held to leave; then nothing of it is with the kernel but what
    /// it sends.
    pub(crate) fn leaves_soon(&mut self, index: u32) -> bool {
        let Some(parting) = &mut self.parting else { return false };
        let leaves = parting.leaving.contains_key(&index);
        if leaves {
            parting.ready.push(index);
        }
        leaves
    }

    /// The application pauses one that is held anyway, or has it read again: whether that is so.
    pub(crate) fn set_paused(&mut self, index: u32, paused: bool) -> bool {
        let Some(parting) = &mut self.parting else { return false };
        parting.leaving.get_mut(&index).map(|was| *was = paused).is_some()
    }

    /// One has ended, or stays for now.
    pub(crate) fn forget(&mut self, index: u32) -> Option<bool> {
        let parting = self.parting.as_mut()?;
        let paused = parting.leaving.remove(&index)?;
        parting.credit += 1;
        Some(paused)
    }
}

/// Whether a connection is one to leave.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goes {
    /// It never will.
    Never,
    /// Not before it is open.
    Later,
    /// When nothing is queued, and no message under way.
    WhenIdle,
}
