//! What must hold after each turn, and when all is over.

use super::ledger::{End, Ledger};
use super::{Report, Run, chaos};
use crate::conn::{Cause, WhenFull};
use crate::reactor::{CallError, Conn, Drained, Stats};
use crate::ring::sim::GATHER_MS;
use crate::tick::Tick;

impl Run {
    /// What is queued for a connection stays within its limit, give or take the last message, and
    /// nothing is received for one that is paused.
    pub(super) fn check_bounds(&mut self) {
        let shared = self.shared.clone();
        let mut ledger = shared.lock();
        let late = ledger.stopping && ledger.now > ledger.stop_by;
        assert!(!late, "{} ms: the engine should have stopped by {}", ledger.now, ledger.stop_by);
        let overtaken = self.reactor.census().direct.overtaken;
        let most = self.scenario.sizes.overtakes_max.max(1);
        assert!(overtaken <= most, "a message waited {overtaken} turns for others, at most {most}");
        let held = self.reactor.census().held as u64;
        let most = self.scenario.memory_max;
        assert!(held <= most, "connections hold {held} bytes after a turn, at most {most}");
        let limits = &self.scenario.limits;
        // The message that went over the limit, an echo of whatever size came, and one that waits
        // for its turn to be queued; pongs and a Close.
        let message_max = (limits.message_max as usize).max(5000);
        let most = limits.send_queue_max as usize + 2 * message_max + 4096;
        for (conn, client) in ledger.conns.clone() {
            self.check_ends(&mut ledger, conn, client);
            let buffered = self.reactor.context().buffered(conn);
            assert!(buffered <= most, "client {client}: {buffered} bytes queued, at most {most}");
            // The closing handshake needs the peer's Close, whatever the application has paused.
            if ledger.records[client].app_close.is_some() {
                assert!(!self.reactor.is_held(conn), "client {client}: closing, and not read");
            }
            let paused = ledger.records[client].paused;
            // Of a stop nobody has heard yet.
            let heeded = |since: Tick| ledger.now > since.max(ledger.stalled_at) + 100;
            if paused.is_some_and(heeded) {
                let receiving = self.reactor.is_receiving(conn);
                assert!(!receiving, "client {client}: receives although paused since {paused:?}");
            }
        }
    }

    /// Nothing is left of the connections when all of them have gone.
    pub(super) fn check_rest(&mut self) {
        let armed = self.shared.lock().timers_armed;
        let census = self.reactor.census();
        // A retry of accepting, and the trimming of spare memory.
        assert!(census.deadlines <= armed + 2, "{census:?}, timers of the application: {armed}");
        assert_eq!(census.granted, 0, "memory granted to messages that have gone");
        assert_eq!(census.held, 0, "memory counted for connections that have gone");
        assert_eq!(census.rests, 0, "buffers of messages that have gone");
        self.check_buffers();
    }

    fn check_buffers(&mut self) {
        let kernel = self.reactor.kernel();
        assert_eq!(kernel.leases_out(), 0, "leases that were not given back");
        let buffers = usize::from(self.scenario.buffers + self.scenario.large.0);
        assert_eq!(kernel.free_buffers(), buffers, "buffers lost");
        assert_eq!(kernel.open_sockets(), 0, "sockets that were not given back");
    }

    pub(super) fn report(mut self) -> Report {
        {
            let mut ledger = self.shared.lock();
            for at in (0..ledger.kept.len()).rev() {
                chaos::release(&mut ledger, at);
            }
        }
        if !self.died {
            self.check_buffers();
        }
        self.reactor.context().count_policed();
        let stats = self.handle.stats(None).expect("one reactor");
        let census = self.reactor.census();
        let large = self.reactor.kernel().received_large();
        drop(self.reactor);
        let drained = self.handle.drained();
        let ledger = self.shared.lock();
        check_drained(&ledger, &drained);
        check_limits(&ledger, &stats);
        let (seen, given) = (ledger.answers_seen, ledger.answers_given);
        let right = (seen..=given).contains(&stats.requests);
        assert!(right, "{given} requests answered, {seen} answers seen: {stats:?}");
        assert!(ledger.laters.is_empty(), "left for later, and nobody was told");
        // What was taken and has not come; of what was published, what was not taken, too.
        let (skipped, gaps) = (ledger.skipped, ledger.gaps);
        let (oldest, newest) = (stats.dropped_oldest, stats.dropped_newest);
        assert!(skipped <= oldest, "{skipped} messages that were taken lost, {oldest} told");
        let told = stats.publish_dropped + newest + oldest - skipped;
        assert!(gaps <= told, "{gaps} published messages lost, {told} told");
        assert_eq!((stats.publish_refused, stats.topics), (0, 0));
        for (client, record) in ledger.records.iter().enumerate() {
            assert_eq!(record.opened, record.closed, "client {client}: open without close");
        }
        let opened = ledger.records.iter().filter(|record| record.opened).count();
        assert_eq!(stats.upgraded, opened as u64);
        let shed = ledger.records.iter().filter(|record| record.shed).count() as u64;
        assert!(shed <= stats.budget_closed, "{shed} closed for memory: {stats:?}");
        let budget = self.scenario.memory_max < u64::MAX;
        assert!(budget || stats.budget_closed + stats.budget_refused == 0, "{stats:?}");
        assert_eq!(ledger.jobs_run, ledger.jobs_taken, "jobs lost or run twice");
        let refused = self.handle.post(0, Box::new(|_| {}));
        assert_eq!(refused, Err(CallError::Stopped), "mail for a reactor that has ended");
        if !self.died {
            let stopped_early = self.scenario.stop.is_some() || self.scenario.drain.is_some();
            assert!(stats.accept_dropped == 0 || stopped_early, "turned away: {stats:?}");
            assert_eq!((stats.connections, stats.connections_by_state), (0, [0; 3]));
        }
        Report {
            ticks: ledger.now,
            delivered: ledger.delivered,
            stats,
            direct: census.direct.direct,
            waited: census.direct.waited,
            large,
            rests: census.direct.rests,
            slow: census.direct.slow,
            echoed: census.echoed,
            died: self.died,
            stalls: ledger.stalls,
            cut_short: ledger.cut_short,
            left_unread: ledger.left_unread,
            last_words: ledger.last_words,
        }
    }

    /// Who was here for too long is closed, and so is who does not read for too long, in the turn
    /// in which that is so.
    fn check_ends(&mut self, ledger: &mut Ledger, conn: Conn, client: usize) {
        let ctx = self.reactor.context();
        let (now, rules) = (ledger.now, ledger.rules);
        let Some(slot) = ctx.slab.live(conn) else { return };
        let (takes, closing) = (slot.conn.takes_messages(), slot.conn.is_closing());
        let record = &mut ledger.records[client];
        if closing {
            record.closing_at.get_or_insert(now);
        }
        let (_, to) = rules.lifetime(record.opened_at);
        assert!(!takes || now <= to, "client {client}: open since {}", record.opened_at);
        let age = ctx.queue_age_ms(conn);
        // Whatever of him is not read yet. Nobody is judged for what has waited for him before he
        // was open, in the turn that opens him.
        let late = age > rules.age_max;
        let before = now <= record.opened_at + 1 + GATHER_MS;
        let old = rules.ends() && !record.patient && takes && !before && late;
        assert!(!old, "client {client}: {age} ms in its queue, at most {}", rules.age_max);
    }
}

/// What is told of a drain is what has happened.
fn check_drained(ledger: &Ledger, drained: &Drained) {
    if ledger.drain.is_none() {
        return;
    }
    let told = [
        (End::Closed, drained.closed),
        (End::TimedOut, drained.timed_out),
        (End::Aborted, drained.aborted),
        (End::Lost, drained.lost),
    ];
    for (end, told) in told {
        // In the turn in which it is heard of, some end before that, others behind.
        let since = |before: usize| {
            let ends = ledger.ends.iter().skip(before);
            ends.filter(|other| **other == end).count() as u64
        };
        let right = since(ledger.ended_heard)..=since(ledger.ended_before);
        assert!(right.contains(&told), "{end:?}: {right:?}, told: {drained:?}");
    }
    let seen = ledger.turned_away;
    assert!(seen <= drained.refused, "{seen} were told to try again: {drained:?}");
}

/// What policies, lifetimes and addresses have ended is counted.
fn check_limits(ledger: &Ledger, stats: &Stats) {
    let count = |which: &dyn Fn(&super::ledger::Record) -> bool| {
        ledger.records.iter().filter(|record| record.closed && which(record)).count() as u64
    };
    let begun = |cause: Cause| count(&|record| record.cause == Some(cause));
    assert_eq!(stats.lifetimes_over, begun(Cause::Lifetime), "{stats:?}");
    let aborted = count(&|record| record.full_aborted);
    // What else has gone wrong with one that was aborted may be told in its place.
    let otherwise = count(&|record| !record.full_aborted && record.sent_code.is_none());
    let right = aborted..=aborted + otherwise;
    assert!(right.contains(&stats.aborted_full), "{right:?} aborted: {stats:?}");
    assert_eq!(stats.closed_full, begun(Cause::Full) - aborted, "{stats:?}");
    for cause in Cause::ALL {
        assert_eq!(stats.ends[cause as usize], begun(cause), "{cause:?}");
    }
    let when_full = ledger.rules.when_full;
    assert!(when_full == WhenFull::Close || stats.closed_full == 0, "{when_full:?}: {stats:?}");
    assert!(when_full == WhenFull::Abort || stats.aborted_full == 0, "{when_full:?}: {stats:?}");
    let (crowded, too_often) = (ledger.crowded, ledger.too_often);
    assert!(crowded <= stats.address_closed, "{crowded} closed unheard: {stats:?}");
    assert!(too_often <= stats.address_refused, "{too_often} told to wait: {stats:?}");
    let addresses = ledger.rules.addresses;
    assert!(addresses.connections_max > 0 || stats.address_closed == 0, "{stats:?}");
    assert!(addresses.upgrades_per_second > 0 || stats.address_refused == 0, "{stats:?}");
}
