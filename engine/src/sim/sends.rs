//! What a simulated application sends, and what of it was taken.

use super::ledger::Ledger;
use super::message::Whole;
use super::policy::Queue;
use crate::conn::{Queued, SendError, SendFlags};
use crate::proto::Opcode;
use crate::reactor::{CallError, Conn, Context};

/// Sends what is owed, until the queue is full or nothing is owed.
pub(super) fn pay(ctx: &mut Context, ledger: &mut Ledger, conn: Conn, client: usize) {
    if ledger.records[client].building.is_some() && ledger.calm {
        let end = (Opcode::Continuation, b" end".to_vec());
        if !send(ctx, ledger, conn, client, &end, false) {
            return;
        }
    }
    while let Some(whole) = ledger.records[client].owed.front().cloned() {
        if !send(ctx, ledger, conn, client, &whole, false) {
            return;
        }
        ledger.records[client].owed.pop_front();
    }
}

/// Sends and writes down what was taken. Whether it was.
pub(super) fn send(
    ctx: &mut Context,
    ledger: &mut Ledger,
    conn: Conn,
    client: usize,
    (opcode, payload): &Whole,
    more: bool,
) -> bool {
    let queue = Queue::of(ctx, conn);
    let sent = ctx.send(conn, *opcode, payload, SendFlags { more, plain: false });
    let fragment = more || *opcode == Opcode::Continuation;
    queue.judge(ctx, ledger, client, fragment, sent);
    settle(ledger, client, (*opcode, payload), more, sent)
}

/// Writes down what was taken, or checks why it was not.
pub(super) fn settle(
    ledger: &mut Ledger,
    client: usize,
    (opcode, payload): (Opcode, &[u8]),
    more: bool,
    sent: Result<Queued, CallError>,
) -> bool {
    let now = ledger.now;
    let record = &mut ledger.records[client];
    let fragment = more || opcode == Opcode::Continuation;
    match sent {
        Ok(Queued::Dropped) => {
            assert!(!fragment, "client {client}: a fragment was dropped");
            return false;
        }
        Ok(_) => {
            assert!(!record.closed, "client {client}: a stale handle was served");
            assert!(record.app_close.is_none(), "client {client}: data after close");
            assert!(fragment || record.building.is_none(), "client {client}: a message inside one");
            if fragment {
                let building = record.building.get_or_insert((opcode, Vec::new()));
                building.1.extend_from_slice(payload);
            } else {
                record.expected.push_back((opcode, payload.to_vec()));
            }
            if fragment && !more {
                record.expected.extend(record.building.take());
            }
        }
        Err(CallError::Gone) => {}
        Err(CallError::Send(SendError::Full | SendError::Closing)) => {}
        Err(CallError::Send(SendError::Sequence)) => {
            let inside = record.building.is_some();
            assert_eq!(inside, opcode != Opcode::Continuation, "client {client}: out of sequence");
        }
        Err(error) => panic!("client {client} at {now}: send refused with {error:?}"),
    }
    sent.is_ok()
}
