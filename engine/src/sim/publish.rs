//! Joins, leaves and publishes of a run, each written down.

use super::keys::of_topic;
use super::ledger::{Ledger, Record};
use super::notice::Notice;
use super::topics::{NAMES, Published};
use crate::proto::Opcode;
use crate::reactor::{CallError, Conn, Context, Handle};

fn draw(ledger: &mut Ledger) -> Notice {
    let topic = ledger.choices.below(NAMES.len());
    let len = *ledger.choices.pick(&[3, 0, 100, 130, 900, 5_000]);
    let except = if ledger.choices.chance(300) { ledger.any_conn() } else { None };
    if ledger.choices.chance(700) {
        ledger.published += 1;
        let published = Published { topic, number: ledger.published };
        let whole = published.whole(len.min(ledger.message_max));
        return Notice { published, key: None, whole, except };
    }
    ledger.latest += 1;
    let published = Published { topic, number: ledger.latest };
    let key = ledger.choices.below(3) as u64;
    let (place, number) = (of_topic(topic, key), published.number);
    let text = format!("latest {place} {number} {}", "x".repeat(len.min(900)));
    Notice { published, key: Some(key), whole: (Opcode::Text, text.into_bytes()), except }
}

impl Record {
    /// It may come, but need not.
    fn may_get(&mut self, notice: &Notice, excused: bool) {
        match notice.place() {
            Some(place) => self.keys.offered(place, notice.published.number),
            None => self.topics.offer(notice.published, notice.whole.clone(), excused),
        }
    }

    /// It was taken.
    fn must_get(&mut self, notice: &Notice) {
        match notice.place() {
            Some(place) => self.keys.sent(place, notice.published.number),
            // Behind a message in fragments it waits, and may be lost with its connection.
            None if self.building.is_some() => self.may_get(notice, false),
            None => self.expected.push_back(notice.whole.clone()),
        }
    }
}

impl Ledger {
    fn receivers(&mut self, notice: &Notice) -> impl Iterator<Item = &mut Record> {
        let topic = notice.published.topic;
        let except = notice.except.map(|(_, client)| client);
        let records = self.records.iter_mut().enumerate();
        records.filter_map(move |(client, record)| {
            let is_member = record.topics.joined.contains(&topic);
            (is_member && Some(client) != except).then_some(record)
        })
    }
}

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
        let of_topic = in_mail.iter().filter(|notice| notice.published.topic == topic);
        for notice in of_topic.filter(|notice| notice.except != Some((conn, client))) {
            record.may_get(notice, true);
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
        let policed = stats.dropped_newest + stats.closed_full + stats.aborted_full;
        stats.publish_dropped + stats.forward_dropped + policed
    };
    let notice = draw(ledger);
    let takes = |ctx: &Context, record: &Record| {
        let slot = record.conn.and_then(|conn| ctx.slab.by_conn(conn));
        slot.is_some_and(|slot| slot.conn.takes_messages())
    };
    for record in ledger.receivers(&notice) {
        record.takes = takes(ctx, record);
    }
    let before = dropped(ctx);
    let (name, message) = (notice.name(), notice.message());
    let done = match notice.key {
        None => ctx.publish(name, &message, notice.conn()),
        Some(key) => ctx.publish_latest(name, key, &message, notice.conn()),
    };
    assert_eq!(done, Ok(()), "there is no other reactor");
    // What becomes of it with the last members is known when it has reached them, or at the end.
    let looks = ledger.choices.chance(500);
    if looks {
        ctx.read_own_mail();
    }
    let all_took_it = looks && dropped(ctx) == before;
    ledger.note(|| format!("{notice:?}, taken by all: {all_took_it}"));
    for record in ledger.receivers(&notice) {
        match record.takes {
            true if all_took_it => record.must_get(&notice),
            // One that ends need not have it.
            takes => record.may_get(&notice, !takes),
        }
    }
}

/// Another thread publishes.
pub(super) fn publish_by_mail(engine: &Handle, ledger: &mut Ledger) {
    let notice = draw(ledger);
    let (name, message) = (notice.name(), notice.message());
    let done = match notice.key {
        None => engine.publish(name, &message, notice.conn()),
        Some(key) => engine.publish_latest(name, key, &message, notice.conn()),
    };
    assert_eq!(done, Ok(()), "there is room");
    ledger.note(|| format!("{notice:?} by mail"));
    for record in ledger.receivers(&notice) {
        record.may_get(&notice, false);
    }
    ledger.in_mail[1].push(notice);
}
