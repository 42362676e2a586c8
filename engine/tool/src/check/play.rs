//! Plays rows, several at a time.

use super::able::Able;
use super::judge::{Verdict, got, judge};
use super::row::{Expect, Row};
use super::talk::{Peer, Talk};
use crate::out::Out;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What came of a row.
#[derive(Clone, Debug)]
pub(crate) struct Played {
    pub(crate) verdict: Verdict,
    /// Why, if it has not passed.
    pub(crate) why: String,
    /// What came.
    pub(crate) got: String,
    /// The beginning of what was sent and of what came.
    pub(crate) sent: Vec<u8>,
    pub(crate) came: Vec<u8>,
    pub(crate) took: Duration,
}

/// How much of what came is kept.
const SHOWN: usize = 4 << 10;

/// Plays all rows; in their order.
pub(super) fn all(rows: &[Row], peer: &Peer, able: &Able, jobs: u8, out: &Out) -> Vec<Played> {
    let bar = out.bar(rows.len() as u64, "rows");
    let next = AtomicUsize::new(0);
    let played = Mutex::new(vec![None; rows.len()]);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((index, row)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    rows.get(index).map(|row| (index, row))
                } {
                    let one = play(row, peer, able);
                    bar.set_message(row.id.clone());
                    bar.inc(1);
                    played.lock().unwrap_or_else(|lock| lock.into_inner())[index] = Some(one);
                }
            });
        }
    });
    bar.finish_and_clear();
    let played = played.into_inner().unwrap_or_else(|lock| lock.into_inner());
    played.into_iter().flatten().collect()
}

fn play(row: &Row, peer: &Peer, able: &Able) -> Played {
    let begun = Instant::now();
    let none = |verdict, why: String| Played {
        verdict,
        why,
        got: String::new(),
        sent: Vec::new(),
        came: Vec::new(),
        took: begun.elapsed(),
    };
    if let Some(lacks) = able.lacks(&row.needs) {
        return none(Verdict::Skipped, lacks.into());
    }
    let mut talk = match Talk::open(peer) {
        Ok(talk) => talk,
        Err(error) => return none(Verdict::Trouble, error.to_string()),
    };
    talk.ask(row);
    let of_request = [Expect::Accepted, Expect::Refused];
    let opened = talk.heard.status() == Some(101);
    let answer = talk.heard.head.as_deref().unwrap_or_default();
    if let Some(part) = row.unless.as_deref().filter(|part| answer.contains(part)) {
        let why = format!("the server has answered with {part}");
        talk.leave(row.then);
        return none(Verdict::Skipped, why);
    }
    if opened {
        talk.play(row);
        if row.expect.iter().any(|expect| !of_request.contains(expect)) {
            talk.settle(row, able.echo);
        }
    } else if row.expect.iter().all(|expect| matches!(expect, Expect::Fails | Expect::Close)) {
        let why = format!("the request was not accepted: {}", got(&talk));
        return none(Verdict::Trouble, why);
    }
    let (sent, came) = (talk.sent.clone(), talk.came()[..talk.came().len().min(SHOWN)].to_vec());
    let got = got(&talk);
    if row.expect.contains(&Expect::Survives) {
        // It is somebody else who must be served: this one goes first, as the row has it.
        let fault = talk.heard.fault.take();
        talk.leave(row.then);
        let (mut verdict, mut why) = super::judge::survives(peer);
        if let Some(fault) = fault {
            (verdict, why) = (Verdict::Failed, format!("the server itself has sent {fault}"));
        }
        return Played { verdict, why, got, sent, came, took: begun.elapsed() };
    }
    let (verdict, why) = judge(row, &talk, able.echo);
    talk.leave(row.then);
    Played { verdict, why, got, sent, came, took: begun.elapsed() }
}
