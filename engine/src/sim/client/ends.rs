//! How a client sees its connection end, and why that may be.

use super::{Client, State};
use crate::proto::{CloseCode, Opcode};
use crate::ring::sim::{Net, Peer, Seen};
use crate::sim::ledger::{Ledger, PROMPT_MS};
use crate::sim::manner::Manner;

impl Client {
    pub(super) fn close_came(&mut self, payload: &[u8], ledger: &mut Ledger) {
        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        let code = code.map_or(CloseCode::NO_STATUS, CloseCode);
        ledger.note(|| format!("client {}: close frame {code:?}", self.id));
        self.closed_with = Some(code);
        self.ending_since = ledger.now;
        let record = &ledger.records[self.id];
        let echoed = self.state == State::Closing(code);
        let asked = record.app_close == Some(code);
        let ended = ledger.is_old(self.id, code) || ledger.is_full(code, payload);
        if echoed || asked || ended || ledger.is_farewell(code, payload) {
            let lost = ledger.settle_up(self.id);
            assert_eq!(lost, 0, "client {}: messages taken before the close were lost", self.id);
        } else if !ledger.is_shed(self.id, code) {
            let Manner::Violates(violation) = self.manner else {
                panic!("{} was failed with {code:?}", self.describe());
            };
            assert!(self.misbehaved, "{} was failed too early", self.describe());
            assert_eq!(code, violation.code, "client {}: {violation:?}", self.id);
        }
        if !matches!(self.state, State::Closing(_)) {
            ledger.records[self.id].client_close = Some(code);
            self.send(true, Opcode::Close, payload);
        }
        self.state = State::Ending;
    }

    /// What is to be done once the server has ended its direction, or the connection is reset.
    pub(super) fn look_for_the_end(&mut self, net: &mut Net, ledger: &mut Ledger, peer: Peer) {
        let seen = net.seen(peer);
        if seen == Seen::Open {
            return;
        }
        ledger.note(|| format!("client {}: sees {seen:?}", self.id));
        self.check_end(net, ledger, peer);
        net.end(peer);
        self.state = State::Done;
    }

    /// The end must have a reason.
    fn check_end(&self, net: &Net, ledger: &mut Ledger, peer: Peer) {
        let unheard = self.state == State::Handshake && !ledger.stopping && !net.was_broken(peer);
        let crowded = unheard && !self.misbehaved && ledger.may_be_crowded(self.id);
        let record = &ledger.records[self.id];
        let excused = net.was_broken(peer)
            || record.app_abort
            || record.app_abort_mailed
            || record.refused
            || record.shed
            || record.full_aborted
            || (ledger.is_closing() || ledger.stopping && !record.opened)
            || self.misbehaved
            || matches!(self.manner, Manner::NeverAsks | Manner::AsksBadly);
        ledger.crowded += u64::from(crowded && !excused);
        let excused = excused || crowded;
        let in_order = self.state == State::Ending && self.closed_with.is_some();
        assert!(excused || in_order, "{} ended for no reason", self.describe());
        // All that was taken from the application has come, unless it was told otherwise.
        let looked = self.closed_with.is_some() || self.state != State::Ending;
        let missing = looked && !record.expected.is_empty() && net.seen(peer) == Seen::End;
        let missing = missing && !ledger.drops_oldest;
        let told = record.unsent > 0 || net.was_broken(peer);
        assert!(!missing || told, "{}: bytes dropped and not told", self.describe());
        // The server ends first (RFC 6455 §7.1.1), at once when it has our Close.
        let waited = net.now() - self.ending_since.max(ledger.calm_since);
        let late = in_order && ledger.calm && !self.misbehaved && waited > PROMPT_MS;
        assert!(!late, "{} waited {waited} ms for the end", self.describe());
    }
}
