//! Joins, leaves and publishes of a run, each written down.

use super::ledger::Ledger;
use super::message::Whole;
use super::topics::{NAMES, Published};
use crate::memory::Outgoing;
use crate::reactor::{CallError, Conn, Context, Handle};

/// A connection joins a topic, or leaves one.
pub(super) fn join_or_leave(ctx: &mut Context, ledger: &mut Ledger, conn: Conn, client: usize) {
    let topic = ledger.choices.below(NAMES.len());
    let name = NAMES[topic].as_bytes();
    let joins = ledger.choices.chance(700);
    let done = if joins { ctx.join(conn, name) } else { ctx.leave(conn, name) };
    ledger.note(|| format!("client {client}: joins {joins} {}: {done:?}", NAMES[topic]));
    let in_mail = ledger.in_mail.concat();
    let record = &mut ledger.records[client];
    match done {
        Ok(changed) => {
            assert!(!record.closed, "client {client}: a stale handle was served");
            let was = record.topics.joined.contains(&topic);
            assert_eq!(changed, was != joins, "client {client}: was a member: {was}");
        }
        Err(error) => return assert_eq!(error, CallError::Gone, "client {client}"),
    }
    if joins {
        record.topics.joined.insert(topic);
        // What waits in the mailbox is delivered to those who are members by then.
        for (published, whole, except) in in_mail {
            if published.topic == topic && except != Some(client) {
                record.topics.offer(published, whole, true);
            }
        }
    } else {
        record.topics.leave(topic);
    }
    let members = ledger.records.iter().filter(|record| record.topics.joined.contains(&topic));
    assert_eq!(ctx.members(name), members.count(), "members of {}", NAMES[topic]);
}

/// A callback publishes: done when the call returns.
pub(super) fn publish(ctx: &mut Context, ledger: &mut Ledger) {
    let dropped = |ctx: &mut Context| {
        ctx.count_policed();
        let stats = ctx.engine().stats(None).expect("one reactor");
        let published = stats.publish_dropped + stats.publish_closing;
        published + stats.forward_dropped + stats.dropped_newest
    };
    let (published, whole, except) = draw(ledger);
    let before = dropped(ctx);
    let message = Outgoing::copied(whole.0, &whole.1);
    let except_conn = except.map(|(conn, _)| conn);
    let done = ctx.publish(NAMES[published.topic].as_bytes(), &message, except_conn);
    assert_eq!(done, Ok(()), "there is no other reactor");
    let all_took_it = dropped(ctx) == before;
    ledger.note(|| format!("{published:?}, taken by all: {all_took_it}"));
    for record in receivers(ledger, published, except) {
        // Behind a message in fragments it waits, and may be lost with its connection.
        if all_took_it && record.building.is_none() {
            record.expected.push_back(whole.clone());
        } else {
            record.topics.offer(published, whole.clone(), false);
        }
    }
}

/// Another thread publishes.
pub(super) fn publish_by_mail(engine: &Handle, ledger: &mut Ledger) {
    let (published, whole, except) = draw(ledger);
    let message = Outgoing::copied(whole.0, &whole.1);
    let except_conn = except.map(|(conn, _)| conn);
    let done = engine.publish(NAMES[published.topic].as_bytes(), &message, except_conn);
    assert_eq!(done, Ok(()), "there is room");
    ledger.note(|| format!("{published:?} by mail"));
    for record in receivers(ledger, published, except) {
        record.topics.offer(published, whole.clone(), false);
    }
    ledger.in_mail[1].push((published, whole, except.map(|(_, client)| client)));
}

fn draw(ledger: &mut Ledger) -> (Published, Whole, Option<(Conn, usize)>) {
    ledger.published += 1;
    let topic = ledger.choices.below(NAMES.len());
    let published = Published { topic, number: ledger.published };
    let len = *ledger.choices.pick(&[3, 0, 100, 130, 900, 5_000]);
    let except = if ledger.choices.chance(300) { ledger.any_conn() } else { None };
    (published, published.whole(len.min(ledger.message_max)), except)
}

fn receivers(
    ledger: &mut Ledger,
    published: Published,
    except: Option<(Conn, usize)>,
) -> impl Iterator<Item = &mut super::ledger::Record> {
    let except = except.map(|(_, client)| client);
    let records = ledger.records.iter_mut().enumerate();
    records.filter_map(move |(client, record)| {
        let is_member = record.topics.joined.contains(&published.topic);
        (is_member && Some(client) != except).then_some(record)
    })
}
