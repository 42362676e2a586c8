//! What is between this process and another: what is to go there, and what was delivered here.

use super::mail::Publication;
use super::name::Conn;
use super::seam::Cut;
use crate::bus::Name;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Bytes that may wait for the other process: then publishes are refused here, as they are when a
/// reactor does not keep up.
pub(super) const OUT_MAX: usize = 64 << 20;
/// Bytes that are kept for connections that come.
const KEPT_MAX: usize = 32 << 20;

/// What was delivered here.
pub(super) struct Entry {
    /// Up to and with this.
    pub(super) at: Cut,
    pub(super) is_theirs: bool,
    pub(super) topic: Name,
    /// As members here get it.
    pub(super) what: Arc<Publication>,
    /// The number of the handle that does not get it, in the process where it was published.
    pub(super) except: u64,
}

/// What goes to the other process.
pub(crate) struct Out {
    pub(crate) number: u64,
    pub(crate) topic: Name,
    pub(crate) what: Arc<Publication>,
}

/// What is between this process and another.
pub(super) struct Lane {
    pub(super) id: u64,
    /// Topics whose names begin so come to the other process from its bus.
    pub(super) bus: Option<Box<[u8]>>,
    pub(super) at: Cut,
    pub(super) entries: VecDeque<Entry>,
    pub(super) bytes: usize,
    /// What was thrown away before it, although somebody might come who needs it.
    pub(super) lost: Cut,
    pub(super) out: VecDeque<Out>,
    pub(super) out_bytes: usize,
    /// The other process hears.
    pub(super) sends: bool,
    /// More connections may come.
    pub(super) moves: bool,
    /// No more is put in.
    pub(super) closing: bool,
    /// Whoever is on his way has one, too.
    pub(super) kept: Arc<()>,
    /// Those that have come, by the numbers that they had where they were.
    pub(super) were: HashMap<u64, Conn>,
}

impl Lane {
    pub(super) fn new(id: u64, bus: Option<Box<[u8]>>) -> Self {
        Self {
            id,
            bus,
            at: Cut::default(),
            entries: VecDeque::new(),
            bytes: 0,
            lost: Cut::default(),
            out: VecDeque::new(),
            out_bytes: 0,
            sends: true,
            moves: true,
            closing: false,
            kept: Arc::default(),
            were: HashMap::new(),
        }
    }

    /// Whether what is published on a topic comes to both processes from their buses.
    pub(super) fn leaves_to_bus(&self, topic: &[u8], is_on_bus: bool) -> bool {
        is_on_bus && self.bus.as_deref().is_some_and(|prefix| topic.starts_with(prefix))
    }

    pub(super) fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.kept) > 1
    }

    pub(super) fn keep(&mut self, entry: Entry) {
        self.bytes += weight(&entry.topic, &entry.what);
        self.entries.push_back(entry);
        let most = if self.moves || self.is_awaited() { KEPT_MAX } else { 0 };
        while self.bytes > most
            && let Some(first) = self.entries.pop_front()
        {
            self.bytes -= weight(&first.topic, &first.what);
            self.lost = first.at;
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.closing && self.out.is_empty() && !self.is_awaited()
    }
}

pub(super) fn weight(topic: &[u8], what: &Publication) -> usize {
    size_of::<Entry>() + topic.len() + what.message.payload().len()
}
