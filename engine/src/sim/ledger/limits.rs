//! What the limits of a run promise: lifetimes, and how much one address may have.

use super::{Ledger, PROMPT_MS};
use crate::proto::CloseCode;
use crate::sim::rules::LIFETIME_CODE;

impl Ledger {
    /// A connection of an address that has no more than it may.
    pub(super) fn must_be_admitted(&self, client: usize) {
        let most = self.rules.addresses.connections_max as usize;
        let address = self.records[client].address;
        let open = self.records.iter().filter(|of| of.opened && !of.closed);
        let open = open.filter(|of| of.address == address).count();
        assert!(most == 0 || open < most, "client {client}: {open} of its address are open");
    }

    /// The application is asked about an upgrade: its address may ask so often.
    pub(in crate::sim) fn asks(&mut self, client: usize) {
        let (now, limits) = (self.now, self.rules.addresses);
        let rate = u64::from(limits.upgrades_per_second);
        let burst = match limits.upgrades_burst {
            0 => rate,
            burst => u64::from(burst),
        };
        let address = self.records[client].address;
        let (since, count) = self.granted.entry(address).or_insert((now, 0));
        *count += 1;
        let most = 1_000 * burst + rate * (now - *since);
        let asked = *count;
        assert!(rate == 0 || 1_000 * asked <= most, "{asked} upgrades of address {address}");
    }

    /// Whether a client may be closed unheard: others of its address are as many as it may have.
    pub(in crate::sim) fn may_be_crowded(&self, client: usize) -> bool {
        let most = self.rules.addresses.connections_max as usize;
        let (own, address) = (&self.records[client], self.records[client].address);
        let others = self.records.iter().enumerate().filter(|(other, of)| {
            // The engine counts it until it hears that the socket is closed.
            let beside = |gone| Some(gone + PROMPT_MS) >= own.connected_at;
            let beside = of.gone_at.is_none_or(beside);
            *other != client && of.address == address && of.connected_at.is_some() && beside
        });
        most > 0 && others.count() >= most
    }

    /// Whether a client may be told that it asks too often.
    pub(in crate::sim) fn is_too_often(&mut self, client: usize, head: &str) -> bool {
        let asks = self.rules.addresses.upgrades_per_second > 0;
        let is = head.starts_with("HTTP/1.1 429 ") && head.contains("\r\nRetry-After: ") && asks;
        self.records[client].refused |= is;
        self.too_often += u64::from(is);
        is
    }

    /// Whether a Close frame says that the connection has lived for long enough; it has then.
    pub(in crate::sim) fn is_old(&self, client: usize, code: CloseCode) -> bool {
        if code != LIFETIME_CODE || self.rules.lifetime_max == u32::MAX {
            return false;
        }
        let record = &self.records[client];
        let (from, to) = self.rules.lifetime(record.opened_at);
        let at = record.closing_at.expect("a turn that has closed it");
        let late = self.stalled_at >= from;
        assert!(at >= from, "client {client}: closed at {at}, its time begins at {from}");
        assert!(at <= to || late, "client {client}: closed at {at}, its time ends at {to}");
        true
    }

    /// Whether a Close frame says that the queue was full.
    pub(in crate::sim) fn is_full(&self, code: CloseCode, payload: &[u8]) -> bool {
        let said = payload.get(2..) == Some(b"send queue full");
        self.rules.when_full == crate::conn::WhenFull::Close && code == CloseCode::TRY_AGAIN && said
    }
}
