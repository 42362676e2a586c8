//! Between a connection's frames and its socket: as they are, or encrypted.
//!
//! Compression is no matter of this place: what is compressed without context is prepared once like
//! any other bytes, in [`crate::stream`].

use crate::error::{Error, Result};
use crate::ring::Ring;
use crate::tls::Session;
use std::ops::Range;
use std::sync::Arc;

/// What frames pass on their way to the socket and back. Offsets and lengths are those of the
/// frames, whatever goes over the wire.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Bytes as they are.
    Plain,
    /// TLS.
    Tls(Box<Tls>),
}

/// Encrypted connections.
#[derive(Debug)]
pub(crate) struct Tls {
    sessions: Vec<Session>,
    /// By slot, bytes of the part whose records are being sent.
    in_flight: Vec<usize>,
    arena: Arc<[u8]>,
    /// What the last bytes from a socket said.
    plain: Vec<u8>,
    /// Memory for records.
    spare: Vec<Vec<u8>>,
}

impl Transport {
    /// By sessions, if there are any: one for each slot. `arena`: what parts are of.
    pub(crate) fn new(sessions: Vec<Session>, arena: &Arc<[u8]>) -> Self {
        if sessions.is_empty() {
            return Self::Plain;
        }
        Self::Tls(Box::new(Tls {
            in_flight: vec![0; sessions.len()],
            sessions,
            arena: Arc::clone(arena),
            plain: Vec::new(),
            spare: Vec::new(),
        }))
    }

    /// Queues a part of the ring's arena to be sent. One per connection is in flight.
    #[inline]
    pub(crate) fn send(&mut self, ring: &mut Ring, slot: u32, part: Range<usize>) -> Result<()> {
        match self {
            Self::Plain => ring.send(slot, part),
            Self::Tls(tls) => tls.send(ring, slot, part)?,
        }
        Ok(())
    }

    /// The socket took `bytes` of `owned`, if that is what was sent: how many of the part that is.
    /// `None`: the rest of the records is on its way.
    #[inline]
    pub(crate) fn sent(
        &mut self,
        ring: &mut Ring,
        slot: u32,
        bytes: usize,
        owned: Option<Vec<u8>>,
    ) -> Option<usize> {
        match self {
            Self::Plain => Some(bytes),
            Self::Tls(tls) => tls.sent(ring, slot, bytes, owned.unwrap_or_default()),
        }
    }

    /// What came from the socket, as frames.
    #[inline]
    pub(crate) fn open<'b>(&'b mut self, slot: u32, bytes: &'b [u8]) -> Result<&'b [u8]> {
        match self {
            Self::Plain => Ok(bytes),
            Self::Tls(tls) => tls.open(slot, bytes),
        }
    }
}

impl Tls {
    fn send(&mut self, ring: &mut Ring, slot: u32, part: Range<usize>) -> Result<()> {
        let index = slot as usize;
        let (Some(session), Some(in_flight)) =
            (self.sessions.get_mut(index), self.in_flight.get_mut(index))
        else {
            return Ok(());
        };
        *in_flight = part.len();
        let mut records = self.spare.pop().unwrap_or_default();
        records.clear();
        session.encrypt(self.arena.get(part).unwrap_or_default(), &mut records)?;
        ring.send_owned(slot, 0, records);
        Ok(())
    }

    fn sent(
        &mut self,
        ring: &mut Ring,
        slot: u32,
        bytes: usize,
        mut records: Vec<u8>,
    ) -> Option<usize> {
        if bytes < records.len() {
            records.drain(..bytes);
            ring.send_owned(slot, 0, records);
            return None;
        }
        self.spare.push(records);
        self.in_flight.get(slot as usize).copied()
    }

    fn open(&mut self, slot: u32, bytes: &[u8]) -> Result<&[u8]> {
        let Some(session) = self.sessions.get_mut(slot as usize) else { return Ok(&[]) };
        self.plain.clear();
        let mut out = Vec::new();
        session.take(bytes, &mut self.plain, &mut out)?;
        // A server that asks for new keys gets them later or never; none does within a run.
        match out.is_empty() {
            true => Ok(&self.plain),
            false => Err(Error::Protocol("TLS: the server asks for something".into())),
        }
    }
}
