//! The header of a proxy comes before all else, TLS too: until it is whole, nobody knows whose the
//! connection is.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

use crate::proto::Input;
use crate::proto::proxy::{BadProxyHeader, ProxyHeader};
use crate::reactor::core::labels::BY_PROXY;
use crate::reactor::core::peer::canonical;
use crate::reactor::core::slab::Slot;
use crate::reactor::state::Reactor;
use crate::ring::{Kernel, Lease};

impl<K: Kernel> Reactor<K> {
    /// Takes what of the header has come. How many bytes of the lease that is, if all of the header
    /// is there: what is behind it is the peer's.
    pub(crate) fn take_proxy_header(&mut self, index: u32, lease: &mut Lease) -> Option<usize> {
        let (read, taken) = feed(self.ctx.slab.at(index), self.kernel.bytes(lease))?;
        self.has_read(index, read).then_some(taken)
    }

    /// The same, of bytes that were read by somebody else.
    pub(crate) fn take_early_header(&mut self, index: u32, early: &mut [u8]) -> Option<usize> {
        let (read, taken) = feed(self.ctx.slab.at(index), early)?;
        self.has_read(index, read).then_some(taken)
    }

    /// Whether it is known now whose the connection is, and that may have it.
    fn has_read(&mut self, index: u32, read: Read) -> bool {
        match read {
            Ok(Some(header)) => self.introduced(index, header),
            Ok(None) => {
                self.ctx.weigh(index);
                false
            }
            Err(bad) => {
                let slot = self.ctx.slab.at(index);
                slot.abort = true;
                let from = slot.peer.get();
                self.ctx.counters.refused_by_reason.count(BY_PROXY);
                self.ctx.log.proxy_failed(self.ctx.now, from, &bad.to_string());
                self.ctx.mark_dirty(index);
                false
            }
        }
    }

    /// The proxy has told whose connection it is. `false` when that has as many as it may.
    fn introduced(&mut self, index: u32, header: ProxyHeader) -> bool {
        let slot = self.ctx.slab.at(index);
        let endpoint = slot.endpoint;
        let peer = header.source().map(canonical).or(slot.peer.get());
        if !self.enters(endpoint, peer) {
            self.ctx.counters.address_closed.add(1);
            self.ctx.slab.at(index).abort = true;
            self.ctx.mark_dirty(index);
            return false;
        }
        self.ctx.slab.at(index).introduce(peer, header);
        self.begin_tls(index);
        true
    }
}

type Read = Result<Option<ProxyHeader>, BadProxyHeader>;

/// What a header has come to, and how many bytes it has taken.
fn feed(slot: &mut Slot, bytes: &mut [u8]) -> Option<(Read, usize)> {
    if slot.abort {
        return None;
    }
    let reader = slot.proxy_reader()?;
    let mut input = Input::new(bytes);
    let all = input.len();
    let read = reader.feed(&mut input);
    Some((read, all - input.len()))
}
