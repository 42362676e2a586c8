//! What a simulated application sends under keys, and wants to be dropped no more.

use super::ledger::Ledger;
use crate::conn::{QueuePolicy, Queued, SendError, WhenFull};
use crate::memory::Outgoing;
use crate::proto::Opcode;
use crate::reactor::{CallError, Conn, Context};

/// A callback sends the latest of a key.
pub(super) fn send_latest(ctx: &mut Context, ledger: &mut Ledger, conn: Conn, client: usize) {
    ledger.latest += 1;
    let (key, number) = (ledger.choices.below(3) as u64, ledger.latest);
    let len = *ledger.choices.pick(&[3, 0, 130, 900]);
    let text = format!("latest {key} {number} {}", "x".repeat(len));
    let message = Outgoing::copied(Opcode::Text, text.as_bytes());
    let sent = ctx.send_latest(conn, key, &message);
    ledger.note(|| format!("client {client}: latest {key} {number}: {sent:?}"));
    match sent {
        Ok(Queued::Dropped) => {}
        Ok(_) => ledger.records[client].keys.sent(key, number),
        Err(CallError::Gone | CallError::Send(SendError::Full | SendError::Closing)) => {}
        Err(error) => panic!("client {client}: latest refused with {error:?}"),
    }
}

/// From now on nothing is dropped: everyone is to be served.
pub(super) fn be_patient(ctx: &mut Context, ledger: &mut Ledger, conn: Conn, client: usize) {
    let policy = QueuePolicy {
        when_full: WhenFull::Refuse,
        send_queue_max: None,
        queue_age_max_ms: Some(u32::MAX),
    };
    let done = ctx.set_queue_policy(conn, policy);
    assert!(matches!(done, Ok(()) | Err(CallError::Gone)), "{done:?}");
    ledger.records[client].patient = true;
}

impl Ledger {
    /// All that was taken from the application for a client has come, or never will: how much of it
    /// has not, and is counted nowhere.
    pub(super) fn settle_up(&mut self, client: usize) -> usize {
        let record = &mut self.records[client];
        // Into a message in fragments that is cut off none can go: that is told as unsent.
        let keys = if record.building.is_some() { 0 } else { record.keys.missing() };
        let missing = record.expected.len() + keys;
        if !self.drops_oldest {
            return missing;
        }
        self.skipped += missing as u64;
        record.expected.clear();
        0
    }
}
