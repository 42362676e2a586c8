//! Counts every message: what clients sent and got, what the server got and answered, and what its
//! counters say. What is missing somewhere must have been told somewhere.

use super::crew::{Account, End};
use super::subject::{Entry, Stats};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// `RWS_CAUSE_PEER_CLOSE`.
const PEER_CLOSE: u32 = 1;

/// What is known of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Nothing is in its way: all that it sent comes back, then it closes in order.
    Polite,
    /// A fault concerns it: it may lose messages, but is told.
    Concerned,
    /// It was killed, cut off or does not keep count: only the server's side is known.
    Unheard,
}

/// All accounts of a run.
#[derive(Debug, Default)]
pub struct Books {
    /// Of the clients.
    pub clients: Vec<(Manner, Account)>,
    /// Of the server, a line per connection.
    pub ledger: Vec<Entry>,
    /// Its counters at the end.
    pub stats: Stats,
    /// How many connections ended with each cause.
    causes: BTreeMap<String, u64>,
}

/// What has become of all messages.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Balance {
    /// Connections that had their 101, as clients saw it.
    pub opened: u64,
    /// Tries that got none and were told why.
    pub refused: u64,
    /// Messages that the kernels of clients took whole.
    pub sent: u64,
    /// Messages that the server got, in order, each right.
    pub received: u64,
    /// Answers that it was allowed to send.
    pub answered: u64,
    /// Answers that came back, each compared byte by byte.
    pub returned: u64,
    /// Their payloads.
    pub returned_bytes: u64,
    /// Messages without an answer on connections whose end was told to both sides.
    pub told: u64,
    /// Connections by what the server said their end began with.
    pub causes: BTreeMap<String, u64>,
}

const CAUSES: [&str; 18] = [
    "none",
    "peer_close",
    "close",
    "abort",
    "stop",
    "lifetime",
    "silent",
    "stuck",
    "protocol",
    "full",
    "fragment",
    "memory",
    "ended",
    "reset",
    "transport",
    "tls",
    "reactor",
    "panic",
];

impl Books {
    /// Adds it all up. What does not add up is a violation.
    pub fn balance(&mut self) -> (Balance, Vec<String>) {
        let mut wrong = Vec::new();
        let mut balance = Balance::default();
        let mut of: HashMap<u32, &Entry> = HashMap::new();
        for entry in &self.ledger {
            if of.insert(entry.id, entry).is_some() && entry.id < UNCOUNTED {
                wrong.push(format!("client {} has ended twice", entry.id));
            }
            one_entry(entry, &mut wrong);
            balance.received += entry.received;
            balance.answered += entry.answered;
            let cause = CAUSES.get(entry.cause as usize).copied().unwrap_or("unknown");
            *self.causes.entry(cause.to_owned()).or_default() += 1;
        }
        for (manner, account) in &self.clients {
            balance.opened += u64::from(account.opened);
            balance.refused += u64::from(matches!(account.end, End::Refused(_)));
            balance.sent += account.sent;
            balance.returned += account.answered;
            balance.returned_bytes += account.answered_bytes;
            balance.told += account.sent.saturating_sub(account.answered);
            one_client(*manner, account, of.get(&account.id).copied(), &mut wrong);
        }
        self.counters(&mut wrong);
        balance.causes.clone_from(&self.causes);
        shorten(&mut wrong);
        (balance, wrong)
    }

    /// The engine's counters against the application's own.
    fn counters(&self, wrong: &mut Vec<String>) {
        let sum = |value: fn(&Entry) -> u64| self.ledger.iter().map(value).sum::<u64>();
        let ended = self.ledger.len() as u64;
        for (name, right) in [
            ("opens", ended),
            ("closes", ended),
            ("ringws_upgraded_total", ended),
            ("ringws_messages_in_total", sum(|it| it.received)),
            ("ringws_bytes_in_total", sum(|it| it.received_bytes)),
            ("ringws_messages_out_total", sum(|it| it.answered)),
            ("ringws_connections", 0),
            ("ringws_topics", 0),
        ] {
            let said = self.stats.get(name).copied();
            if said != Some(right) {
                wrong.push(format!("{name} is {said:?} and has to be {right}"));
            }
        }
    }
}

/// Clients from this number on keep no account, and several may have the same number.
pub const UNCOUNTED: u32 = 1 << 24;

fn one_entry(entry: &Entry, wrong: &mut Vec<String>) {
    let Entry { id, received, answered, refused, .. } = entry;
    if entry.wrong > 0 {
        wrong.push(format!("{} messages of client {id} came wrong or out of order", entry.wrong));
    }
    if *received != answered + refused {
        wrong.push(format!(
            "client {id}: {received} came, {answered} answers were taken, {refused} refused"
        ));
    }
    if entry.cause == 0 {
        wrong.push(format!("client {id}: no cause of its end was told"));
    }
}

fn one_client(manner: Manner, account: &Account, entry: Option<&Entry>, wrong: &mut Vec<String>) {
    let Account { id, sent, answered, end, .. } = account;
    let mut fail = |what: String| wrong.push(format!("client {id}: {what}"));
    if let End::Wrong(what) = end {
        return fail(what.clone());
    }
    if manner == Manner::Unheard {
        return;
    }
    match (entry, account.opened) {
        (None, true) => return fail("the server never told its end".into()),
        (None, false) => return not_opened(manner, end, &mut fail),
        (Some(_), _) => {}
    }
    let Some(entry) = entry else { return };
    if entry.received > *sent {
        fail(format!("{} came of {sent} that were sent", entry.received));
    }
    if *answered > entry.answered {
        fail(format!("{answered} answers came of {} that were taken", entry.answered));
    }
    let in_order = *end == End::Closed(1000) && sent == answered;
    let none_lost = entry.received == *sent && entry.answered == *answered && entry.unsent == 0;
    if in_order && !(none_lost && entry.cause == PEER_CLOSE && entry.status == 0) {
        fail(format!("it ended in order, and the server says {entry:?}"));
    }
    match end {
        _ if in_order => {}
        End::Hanging | End::Open => {
            fail(format!("{answered} of {sent} answered, and nothing was told: {entry:?}"));
        }
        _ if manner == Manner::Polite => {
            fail(format!("{answered} of {sent} answered, then {end:?}: {entry:?}"));
        }
        // Both sides know: the client by `end`, the server by its cause. Where it says that all
        // went well nothing may be missing but what the client itself has not waited for.
        End::Closed(_) | End::Eof if entry.cause == PEER_CLOSE && entry.answered > *answered => {
            fail(format!("{answered} of {} came, and the server was content", entry.answered));
        }
        _ => {}
    }
}

fn not_opened(manner: Manner, end: &End, fail: &mut impl FnMut(String)) {
    let told = matches!(end, End::Refused(_) | End::GaveUp | End::Dropped);
    if manner == Manner::Polite || !told {
        fail(format!("it got no connection: {end:?}"));
    }
}

/// Hundreds of the same say no more than a few.
fn shorten(wrong: &mut Vec<String>) {
    const MOST: usize = 12;
    if wrong.len() > MOST {
        let more = wrong.len() - MOST;
        wrong.truncate(MOST);
        wrong.push(format!("... and {more} more"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two connections that went well.
    fn books() -> Books {
        let client = |id| {
            let end = End::Closed(1000);
            Account { id, opened: true, sent: 5, answered: 5, end, ..Account::default() }
        };
        let entry = |id| Entry {
            id,
            received: 5,
            received_bytes: 100,
            answered: 5,
            answered_bytes: 100,
            cause: PEER_CLOSE,
            ..Entry::default()
        };
        let counters = [
            ("opens", 2),
            ("closes", 2),
            ("ringws_upgraded_total", 2),
            ("ringws_messages_in_total", 10),
            ("ringws_bytes_in_total", 200),
            ("ringws_messages_out_total", 10),
            ("ringws_connections", 0),
            ("ringws_topics", 0),
        ];
        Books {
            clients: vec![(Manner::Polite, client(1)), (Manner::Concerned, client(2))],
            ledger: vec![entry(1), entry(2)],
            stats: counters.map(|(name, value)| (name.to_owned(), value)).into(),
            causes: BTreeMap::new(),
        }
    }

    fn wrong(change: impl FnOnce(&mut Books)) -> Vec<String> {
        let mut books = books();
        change(&mut books);
        books.balance().1
    }

    #[test]
    fn what_adds_up_is_balanced() {
        let (balance, wrong) = books().balance();
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(
            (balance.sent, balance.received, balance.returned, balance.told),
            (10, 10, 10, 0)
        );
        assert_eq!(balance.causes.get("peer_close"), Some(&2));
    }

    #[test]
    fn what_is_lost_without_a_word_is_found() {
        type Change = fn(&mut Books);
        let changes: [(&str, Change); 9] = [
            ("an answer that never came", |it| it.clients[0].1.answered = 4),
            ("a message that the server never saw", |it| it.ledger[0].received = 4),
            ("one that came twice", |it| it.ledger[0].wrong = 1),
            ("a connection without an end", |it| _ = it.ledger.pop()),
            ("two ends of one", |it| it.ledger[1].id = 1),
            ("an end without a cause", |it| it.ledger[1].cause = 0),
            ("a counter that is behind", |it| _ = it.stats.insert("closes".into(), 1)),
            ("a client that still waits", |it| {
                it.clients[1].1.answered = 3;
                it.clients[1].1.end = End::Hanging;
            }),
            ("bytes that are not those sent", |it| it.clients[1].1.end = End::Wrong("x".into())),
        ];
        for (what, change) in changes {
            assert!(!wrong(change).is_empty(), "{what}");
        }
    }

    #[test]
    fn a_loss_that_both_sides_were_told_of_is_none() {
        let told = |manner| {
            wrong(|it| {
                it.clients[1].0 = manner;
                it.clients[1].1.answered = 3;
                it.clients[1].1.end = End::Reset("reset".into());
                it.ledger[1].cause = 13;
                it.ledger[1].status = -4;
            })
        };
        assert_eq!(told(Manner::Concerned), Vec::<String>::new());
        assert!(!told(Manner::Polite).is_empty(), "a bystander loses nothing");
    }

    #[test]
    fn an_answer_lost_behind_the_servers_back_is_found() {
        let lost = wrong(|it| {
            it.clients[1].1.answered = 3;
            it.clients[1].1.end = End::Eof;
        });
        assert!(!lost.is_empty());
    }
}
