//! What the application answers to requests that are no upgrades: at once, or later, once each.

use super::ask::{Answer, Question};
use super::ledger::{Ledger, Shared};
use super::timers;
use crate::proto::handshake::Reply;
use crate::reactor::{Asked, Context, Later, LaterError};
use std::time::Duration;

fn draw(ledger: &mut Ledger, target: &str) -> Answer {
    let status = *ledger.choices.pick(&[200, 404, 204, 500]);
    let len = *ledger.choices.pick(&[0, 10, 900, 5000]);
    let body = if status == 204 { String::new() } else { format!("{target} {}", "x".repeat(len)) };
    Answer { status, body: body.into_bytes() }
}

/// The client that has asked, if it asks for anything that there is.
fn who(target: &str) -> Option<usize> {
    target.strip_prefix("/client/")?.split_once("/ask/")?.0.parse().ok()
}

/// Answers, or says so later.
pub(super) fn answer(shared: &Shared, ctx: &mut Context, asked: &Asked<'_>) -> Reply {
    let request = asked.request();
    let target = request.target();
    let mut ledger = shared.lock();
    let Some(client) = who(target) else {
        ledger.answers_given += 1;
        return Reply::new(404);
    };
    let question = Question { target: target.to_owned(), body: request.body().to_vec() };
    let record = &mut ledger.records[client];
    assert!(!record.opened, "client {client}: {target} after the upgrade");
    let next = record.asked.pop_front();
    assert!(next.as_ref() == Some(&question), "client {client}: {question:?}, asked {next:?}");
    let answer = draw(&mut ledger, target);
    let reply = answer.reply();
    if !ledger.calm && ledger.choices.chance(400) {
        let later = asked.later().expect("for the first time");
        if ledger.choices.chance(850) {
            ledger.laters.insert(later, client);
            let delay = Duration::from_millis(ledger.choices.below(40) as u64);
            timers::once(shared, ctx, &mut ledger, delay, move |ctx, ledger| {
                answer_later(ctx, ledger, later, answer);
            });
            // Not looked at.
            return Reply::new(501);
        }
        asked.at_once();
    }
    ledger.answers_given += 1;
    ledger.records[client].answers.push_back(answer);
    reply
}

fn answer_later(ctx: &mut Context, ledger: &mut Ledger, later: Later, answer: Answer) {
    let answered = ctx.engine().answer(later, answer.reply(), None, 0);
    match answered {
        Ok(()) => {
            let client = ledger.laters.remove(&later).expect("answered after all");
            ledger.answers_given += 1;
            ledger.records[client].answers.push_back(answer);
        }
        Err(LaterError::Gone) => {
            assert!(!ledger.laters.contains_key(&later), "gone, and nobody was told");
        }
        Err(error) => panic!("{error:?}"),
    }
}

/// What was left for later came to nothing, and nobody else says so: whether that was a request
/// that was no upgrade.
pub(super) fn gone(ledger: &mut Ledger, later: Later) -> bool {
    let Some(client) = ledger.laters.remove(&later) else { return false };
    let record = &mut ledger.records[client];
    assert!(!record.opened, "client {client}: open, and not answered");
    record.refused = true;
    true
}
