//! What becomes of a message that finds the queue full: as the policy says, and only then.

use super::ledger::Ledger;
use crate::conn::{Queued, SendError};
use crate::reactor::{CallError, Conn, Context};

/// A connection's queue before something is sent.
pub(super) struct Queue {
    buffered: usize,
    age: u32,
    takes: bool,
    /// Connections that policies have ended.
    ended: u64,
}

/// How many connections policies have ended.
fn ended(ctx: &Context) -> u64 {
    ctx.tools.policed.closed + ctx.tools.policed.aborted
}

impl Queue {
    pub(super) fn of(ctx: &mut Context, conn: Conn) -> Self {
        let age = ctx.queue_age_ms(conn);
        let buffered = ctx.buffered(conn);
        let slot = ctx.slab.live(conn);
        let takes = slot.is_some_and(|slot| slot.conn.takes_messages());
        Self { buffered, age, takes, ended: ended(ctx) }
    }

    /// Whether what was sent has ended the connection, and had to.
    pub(super) fn judge(
        self,
        ctx: &Context,
        ledger: &mut Ledger,
        client: usize,
        fragment: bool,
        sent: Result<Queued, CallError>,
    ) {
        let (now, rules) = (ledger.now, ledger.rules);
        let patient = ledger.records[client].patient;
        let ends = ended(ctx) - self.ended;
        let old = self.age >= rules.age_max;
        let full = self.buffered > rules.queue_max || old;
        ledger.note(|| {
            let Self { buffered, age, .. } = self;
            format!("client {client}: {buffered} bytes queued for {age} ms: {sent:?}")
        });
        if ends > 0 {
            assert_eq!((ends, rules.ends(), patient), (1, true, false), "client {client} at {now}");
            let closing = sent == Err(CallError::Send(SendError::Closing));
            // What has waited for the end of a message may have filled the queue behind that.
            let behind = fragment && sent.is_ok();
            assert!(full && closing || behind, "client {client}: {sent:?} {}", self.buffered);
            let before = ledger.records[client].full_at.replace(now);
            assert_eq!(before, None, "client {client}: ended twice for a full queue");
        } else if rules.ends() && !patient && self.takes && !fragment && sent.is_ok() {
            assert!(!full, "client {client}: {} bytes for {} ms", self.buffered, self.age);
        }
    }
}
