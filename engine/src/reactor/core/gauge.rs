//! How much is on its way to each connection that gets mail, for whoever feeds it from another
//! thread. Others have no gauge, and pay nothing.

use crate::reactor::core::name::Conn;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Gauges that are made together.
const PAGE: usize = 4096;
/// As many pages as there can be slots for.
const PAGES: usize = (1 << 24) / PAGE;

/// Of one slot.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    /// Payload bytes in the mailbox, of whatever tenant.
    mailed: AtomicUsize,
    /// What the tenant had queued when the reactor last looked, below its generation.
    queued: AtomicU64,
}

impl Gauge {
    /// Mail is about to be put into the mailbox.
    pub(crate) fn mailed(&self, bytes: usize) {
        self.mailed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It was taken out, or did not get in.
    pub(crate) fn taken(&self, bytes: usize) {
        self.mailed.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What `conn` has queued now.
    pub(crate) fn publish(&self, conn: Conn, bytes: usize) {
        let bytes = u64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        let word = u64::from(conn.generation()) << 32 | bytes;
        self.queued.store(word, Ordering::Relaxed);
    }

    /// Both together.
    pub(crate) fn read(&self, conn: Conn) -> usize {
        let mailed = self.mailed.load(Ordering::Relaxed);
        let word = self.queued.load(Ordering::Relaxed);
        let ours = word >> 32 == u64::from(conn.generation());
        mailed + if ours { word as u32 as usize } else { 0 }
    }
}

type Page = OnceLock<Box<[Gauge]>>;

/// The gauges of one reactor, made when first needed and never moved.
#[derive(Debug, Default)]
pub(crate) struct Gauges(OnceLock<Box<[Page]>>);

impl Gauges {
    /// The gauge of a connection, if any of its page was needed so far.
    pub(crate) fn get(&self, conn: Conn) -> Option<&Gauge> {
        let slot = conn.slot() as usize;
        self.0.get()?.get(slot / PAGE)?.get()?.get(slot % PAGE)
    }

    /// The gauge of a connection, made if need be.
    pub(crate) fn of(&self, conn: Conn) -> Option<&Gauge> {
        let slot = conn.slot() as usize;
        let pages = self.0.get_or_init(|| (0..PAGES).map(|_| Page::new()).collect());
        let page = pages.get(slot / PAGE)?;
        page.get_or_init(|| (0..PAGE).map(|_| Gauge::default()).collect()).get(slot % PAGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_reads_its_own_tenant() {
        let gauges = Gauges::default();
        let (old, new) = (Conn::new(0, 5000, 1), Conn::new(0, 5000, 2));
        assert!(gauges.get(old).is_none(), "nothing was made");
        let gauge = gauges.of(old).expect("a slot");
        gauge.mailed(7);
        gauge.publish(old, 5_000_000_000);
        gauge.taken(3);
        assert_eq!(gauge.read(old), 4 + u32::MAX as usize);
        assert_eq!(gauges.get(new).map(|gauge| gauge.read(new)), Some(4), "another tenant");
        assert!(gauges.of(Conn::new(0, 0xFF_FFFF, 1)).is_some(), "the last slot");
    }
}
