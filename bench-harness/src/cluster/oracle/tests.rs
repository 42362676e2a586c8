//! What the judge finds in histories that are made up.

use super::super::history::{Ending, Life, Try, Visit};
use super::*;
use ringws_engine::broker::{Cause, Gap, Origin};

const S: At = 1_000_000;
const PUBLISHER: Speaker = Speaker { node: 1, life: 0 };
const HOME: Speaker = Speaker { node: 2, life: 0 };
const SETTLE: At = S / 2;

/// Ten messages, one a second from the second second on, to a member that hears each at once.
fn good() -> History {
    let mut history = History::default();
    for (speaker, epoch) in [(PUBLISHER, 100), (HOME, 200)] {
        let life = Life { epochs: (epoch, epoch + 10), ending: Ending::Runs, ended: At::MAX };
        history.lives.insert(speaker, life);
    }
    let answer = Answer::Accepted;
    let one = |nth: u64| Try { sent: (2 + nth) * S, answered: (2 + nth) * S + 1, answer };
    history.tries.insert((PUBLISHER, 0), (0..10).map(one).collect());
    let mut came = vec![(0, Came::Up(true)), (1, Came::Joins(0)), (2, Came::Joined(0))];
    came.extend((0..10).map(|nth| message(u64::from(nth) + 2, nth)));
    history.visits.push(Visit { at: HOME, member: 0, came, ended: 20 * S, to_the_end: true });
    history.faults.push((5 * S, "something".into()));
    history
}

fn message(second: u64, serial: u32) -> (At, Came) {
    (second * S + 2, Came::Message { topic: 0, from: PUBLISHER, serial })
}

fn gap(at: At, first: u64, last: Option<u64>, cause: Cause) -> (At, Came) {
    let origin = Origin { node: 1, epoch: 105 };
    (at, Came::Gap(0, Gap { origin, first, last, cause }))
}

/// What is found after a change to what the member has noted: three things first, then messages.
fn found(change: impl FnOnce(&mut Vec<(At, Came)>)) -> Vec<&'static str> {
    found_in(|history| change(&mut history.visits[0].came))
}

fn found_in(change: impl FnOnce(&mut History)) -> Vec<&'static str> {
    let mut history = good();
    change(&mut history);
    judge(&history, SETTLE).1.iter().map(|finding| finding.what).collect()
}

#[test]
fn a_run_in_which_all_comes_is_good() {
    let (figures, findings) = judge(&good(), SETTLE);
    assert_eq!((figures.published, figures.delivered, figures.lost), (10, 10, 0));
    assert_eq!(findings, []);
}

#[test]
fn twice_and_out_of_order_are_found() {
    assert_eq!(found(|came| came.insert(6, came[5])), ["it came twice"]);
    assert_eq!(found(|came| came.swap(6, 7)), ["out of order"]);
    assert_eq!(found(|came| came[4].1 = Came::Garbage)[0], "these bytes nobody has published");
    assert_eq!(
        found(|came| came.push(message(12, 99))),
        ["nobody has published it, or it was refused"]
    );
    let refuse = |history: &mut History| {
        history.tries.get_mut(&(PUBLISHER, 0)).unwrap()[4].answer = Answer::Refused;
    };
    assert_eq!(found_in(refuse), ["nobody has published it, or it was refused"]);
}

#[test]
fn what_is_lost_must_be_told() {
    let lose = |came: &mut Vec<_>| came.drain(6..8).for_each(drop);
    assert_eq!(found(lose), ["lost, and not told"]);
    let (mut history, mut seen) = (good(), good());
    for (one, last) in [(&mut history, 5), (&mut seen, 4)] {
        one.visits[0].came.drain(6..8);
        one.visits[0].came.insert(6, gap(7 * S, 4, Some(last), Cause::Lost));
    }
    let (figures, findings) = judge(&history, SETTLE);
    assert_eq!((figures.lost, figures.gaps_lost, figures.missing), (2, 1, 2));
    assert_eq!(findings, []);
    assert_eq!(judge(&seen, SETTLE).1.len(), 1, "one of two is told");
    assert_eq!(found(|came| came.truncate(12)), ["lost, and not told"], "the last one");
}

#[test]
fn nothing_is_owed_before_the_topic_is_settled_or_after_the_member_has_gone() {
    assert_eq!(found(|came| _ = came.remove(3)), ["lost, and not told"], "settled long ago");
    let late = |came: &mut Vec<(At, Came)>| {
        came[2].0 = S;
        came[0].0 = 2 * S;
        came.remove(3);
    };
    assert_eq!(found(late), [] as [&str; 0], "up since the first message only");
    let leaves = |came: &mut Vec<(At, Came)>| {
        came.truncate(8);
        came.extend([(7 * S - 1, Came::Leaves(0)), (8 * S, Came::Left(0))]);
    };
    assert_eq!(found(leaves), [] as [&str; 0]);
    let stranger = |came: &mut Vec<(At, Came)>| {
        came.insert(8, (7 * S - 1, Came::Leaves(0)));
        came.insert(9, (7 * S, Came::Left(0)));
        came.truncate(11);
    };
    assert_eq!(found(stranger), ["it came to whom was no member"]);
    let cut = |history: &mut History| {
        history.visits[0].came.remove(6);
        (history.visits[0].ended, history.visits[0].to_the_end) = (7 * S, false);
        history.visits[0].came.truncate(7);
    };
    assert_eq!(found_in(cut), [] as [&str; 0]);
}

#[test]
fn an_open_gap_goes_on_until_its_publisher_is_heard_again() {
    let silent = |came: &mut Vec<_>| {
        came.drain(6..9);
        came.insert(6, gap(8 * S, 4, None, Cause::Silent));
    };
    assert_eq!(found(silent), [] as [&str; 0]);
    let again = |came: &mut Vec<_>| {
        came.drain(6..8);
        came.insert(6, gap(7 * S, 4, None, Cause::Silent));
        came.remove(9);
    };
    assert_eq!(found(again), ["lost, and not told"], "after it was heard again");
}

#[test]
fn a_gap_that_is_none_is_found() {
    let tell = |at, first, last, cause| found(|came| came.push(gap(at, first, last, cause)));
    assert_eq!(tell(12 * S, 4, Some(4), Cause::Lost), ["a gap of what has come"]);
    assert_eq!(tell(12 * S, 11, Some(11), Cause::Lost), ["a gap of what was never published"]);
    assert_eq!(tell(12 * S, 11, None, Cause::Silent), ["silent, but heard"]);
    assert_eq!(tell(12 * S, 11, None, Cause::Restarted), ["a new life of who has not ended"]);
    assert_eq!(tell(19 * S, 11, None, Cause::Silent), ["a gap without a reason"]);
    assert_eq!(tell(13 * S - 2, 11, None, Cause::Silent), [] as [&str; 0]);
    let nobody = |came: &mut Vec<_>| {
        let origin = Origin { node: 1, epoch: 99 };
        let told = Gap { origin, first: 1, last: None, cause: Cause::Silent };
        came.push((12 * S, Came::Gap(0, told)));
    };
    assert_eq!(found(nobody), ["a gap of nobody"]);
    let early = |came: &mut Vec<_>| {
        came.remove(7);
        came.insert(5, gap(4 * S, 5, Some(5), Cause::Lost));
    };
    assert_eq!(found(early), ["a gap before anything was lost"]);
    let twice = |came: &mut Vec<_>| {
        came.drain(6..8);
        came.insert(6, gap(7 * S, 4, Some(5), Cause::Lost));
        came.insert(7, gap(7 * S, 5, Some(5), Cause::Lost));
    };
    assert_eq!(found(twice), ["told twice"]);
}

#[test]
fn a_gap_of_what_was_published_to_nobody_is_found() {
    let change = |history: &mut History, cause| {
        let came = &mut history.visits[0].came;
        came.drain(3..5);
        (came[1].0, came[2].0) = (3 * S + S / 2, 3 * S + S / 2);
        came.insert(3, gap(4 * S, 1, Some(2), cause));
    };
    assert_eq!(
        found_in(|history| change(history, Cause::Lost)),
        ["a gap of what was published to nobody"]
    );
    // Of who could not answer nobody can tell how old they are.
    assert_eq!(found_in(|history| change(history, Cause::Unheard)), [] as [&str; 0]);
    let heard = found(|came| {
        came.drain(6..8);
        came.insert(6, gap(7 * S, 4, Some(5), Cause::Unheard));
    });
    assert_eq!(heard, ["unheard, but heard"]);
}

#[test]
fn all_members_are_told() {
    let other = |history: &mut History| {
        let mut visit = history.visits[0].clone();
        visit.member = 1;
        history.visits.push(visit);
        for visit in &mut history.visits {
            visit.came.drain(6..8);
        }
        history.visits[0].came.insert(6, gap(7 * S, 4, Some(5), Cause::Lost));
    };
    assert_eq!(found_in(other), ["not told to all"]);
}

/// What an engine has published that was killed is missed by who has heard of it.
#[test]
fn the_tail_of_a_life_is_owed_to_who_knew_it() {
    let kill = |history: &mut History| {
        let life = history.lives.get_mut(&PUBLISHER).unwrap();
        (life.ending, life.ended) = (Ending::Killed, 12 * S);
        history.visits[0].came.truncate(10);
    };
    assert_eq!(found_in(kill), ["lost, and not told"]);
    let told = |history: &mut History| {
        kill(history);
        history.visits[0].came.push(gap(12 * S + S / 2, 8, None, Cause::Restarted));
    };
    assert_eq!(found_in(told), [] as [&str; 0]);
    let unheard = |history: &mut History| {
        kill(history);
        history.visits[0].came.truncate(3);
    };
    assert_eq!(found_in(unheard), [] as [&str; 0], "nobody here knows of it");
}
