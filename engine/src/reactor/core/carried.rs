//! What goes with the descriptor of an open connection to another process.

use crate::conn::Carry;
use crate::reactor::core::seam::Seam;
use crate::ring::Credentials;
use std::net::SocketAddr;

/// Bytes that an application may give a connection along.
pub(crate) const STATE_MAX: usize = 64 << 10;

/// Bytes of all that goes along with one connection.
pub(crate) const CARRIED_MAX: usize = 4 << 20;

/// A topic that a connection is a member of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CarriedTopic {
    pub(crate) name: Box<[u8]>,
    /// What it has heard of it, where that comes from a bus and has a history.
    pub(crate) position: Option<Box<str>>,
}

/// An open connection without its socket.
#[derive(Debug)]
pub(crate) struct Carried {
    /// The number of its endpoint, or of its route, as reactors have them: where it is.
    pub(crate) endpoint: u32,
    pub(crate) conn: Carry,
    /// Whose it is, as its proxy has told it if one has.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) credentials: Option<Credentials>,
    /// The application has paused it.
    pub(crate) paused: bool,
    /// In how many milliseconds its lifetime is over.
    pub(crate) lifetime_ms: Option<u64>,
    /// What was read of it and not looked at, behind what has come of a header.
    pub(crate) early: Box<[u8]>,
    /// The topics that it is a member of.
    pub(crate) topics: Vec<CarriedTopic>,
    /// Up to where it has heard what is published otherwise.
    pub(crate) seam: Option<Seam>,
    /// What the application has given it along.
    pub(crate) state: Box<[u8]>,
    /// It has been on its way, and has come back to the process that it was to leave.
    pub(crate) is_back: bool,
}

impl Carried {
    /// Bytes that have no size of their own.
    pub(crate) fn len(&self) -> usize {
        let of = |topic: &CarriedTopic| {
            topic.name.len() + topic.position.as_ref().map_or(0, |p| p.len())
        };
        let topics: usize = self.topics.iter().map(|topic| of(topic) + 16).sum();
        self.early.len() + topics + self.state.len()
    }
}
