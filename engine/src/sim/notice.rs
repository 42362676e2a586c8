//! What is published in a run.

use super::keys::of_topic;
use super::message::Whole;
use super::topics::{NAMES, Published};
use crate::memory::Outgoing;
use crate::reactor::Conn;

/// Something that is published.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) published: Published,
    /// It is the latest of that key.
    pub(super) key: Option<u64>,
    pub(super) whole: Whole,
    /// The client that does not get it.
    pub(super) except: Option<(Conn, usize)>,
}

impl Notice {
    pub(super) fn name(&self) -> &'static [u8] {
        NAMES[self.published.topic].as_bytes()
    }

    pub(super) fn message(&self) -> Outgoing {
        Outgoing::copied(self.whole.0, &self.whole.1)
    }

    pub(super) fn conn(&self) -> Option<Conn> {
        self.except.map(|(conn, _)| conn)
    }

    pub(super) fn place(&self) -> Option<u64> {
        self.key.map(|key| of_topic(self.published.topic, key))
    }
}
