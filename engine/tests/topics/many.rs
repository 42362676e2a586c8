//! Topics with so many members that the first have their message before the others are asked.

use super::room::{Room, hear};
use super::service::reactors;
use ringws_engine::conn::Limits;
use ringws_kit::{Client, TEXT, until};

/// More than one submission holds.
const MANY: usize = 300;

fn of_many() -> (Room, Vec<Client>) {
    let room = Room::new(reactors(1), Limits::default());
    let members = (0..MANY).map(|_| room.member("blue")).collect();
    (room, members)
}

#[test]
fn what_a_callback_sends_behind_it_stays_behind_it_for_the_last_member_too() {
    let (_room, mut members) = of_many();
    let long = "4".repeat(9_000);
    let publisher = members.last_mut().unwrap();
    publisher.send(TEXT, "around blue");
    hear(publisher, &["1", "2", "3", &long, "5"]);
    members.iter_mut().take(MANY - 1).for_each(|member| hear(member, &["2", &long]));
    let publisher = members.last_mut().unwrap();
    publisher.send(TEXT, "mixed blue");
    hear(publisher, &["1", "2", "3", "4", "5", "6", "7", "8"]);
    let others = members.iter_mut().take(MANY - 1);
    others.for_each(|member| hear(member, &["2", "4", "5", "7", "to nobody", "8"]));
}

#[test]
fn all_get_it_also_when_one_of_the_first_ends_meanwhile() {
    let (room, mut members) = of_many();
    let mut first = members.remove(0);
    // What it says and its end are seen in one turn, and nothing is owed to it.
    let held = room.hold(0);
    first.send(TEXT, "tell blue farewell");
    first.half_close();
    drop(held);
    members.iter_mut().for_each(|member| hear(member, &["farewell"]));
    until("it has left", || room.handle().members(b"blue") == MANY - 1);
}
