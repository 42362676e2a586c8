//! What the application answers to an upgrade: at once, or later. Of what is left for later one
//! callback tells, whoever was first.

use super::ledger::Ledger;
use crate::proto::handshake::{Refusal, Reply};
use crate::reactor::{Conn, Context, LaterError, Upgrade};
use std::time::Duration;

/// Beside the number of a client: its upgrade was left for later.
const LATER: usize = 1 << 31;

/// Lets a client in, or not, or says so later.
pub(super) fn judge(
    ledger: &mut Ledger,
    ctx: &mut Context,
    upgrade: &mut Upgrade<'_>,
) -> Result<(), Refusal> {
    let client = upgrade.request().target().trim_start_matches("/client/").parse();
    let client: usize = client.expect("a target of a simulated client");
    ledger.asks(client);
    if !ledger.calm && ledger.choices.chance(30) {
        ledger.records[client].refused = true;
        return Err(Refusal::new(403));
    }
    upgrade.set_user(client);
    if !ledger.calm && ledger.choices.chance(200) {
        let user = client | LATER;
        upgrade.set_user(user);
        let later = upgrade.later().expect("for the first time");
        ledger.jobs_taken += 1;
        let engine = ctx.engine().clone();
        let answer = move |_: &mut Context| {
            let answered = engine.answer(later, Reply::new(101), None, user);
            assert!(matches!(answered, Ok(()) | Err(LaterError::Gone)), "{answered:?}");
        };
        let delay = Duration::from_millis(ledger.choices.below(20) as u64);
        ctx.timer_start(delay, Box::new(answer));
    }
    Ok(())
}

/// The client whose connection is open.
pub(super) fn opened(ledger: &mut Ledger, ctx: &mut Context, conn: Conn) -> usize {
    let user = ctx.user(conn).expect("an open connection");
    if user & LATER != 0 {
        ledger.jobs_run += 1;
        ctx.set_user(conn, user & !LATER).expect("an open connection");
    }
    user & !LATER
}

/// What was left for later came to nothing.
pub(super) fn gone(ledger: &mut Ledger, user: usize) {
    assert!(user & LATER != 0, "an upgrade that was answered at once");
    let record = &mut ledger.records[user & !LATER];
    assert!(!record.opened, "gone, and open");
    record.refused = true;
    ledger.jobs_run += 1;
}
