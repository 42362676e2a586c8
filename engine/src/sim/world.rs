//! Everything outside the reactor: the clients, other threads, and the end of the chaos.

use super::chaos::{mail, post, release};
use super::client::Client;
use super::latest::be_patient;
use super::ledger::{Ledger, Shared};
use super::publish::publish_by_mail;
use super::scenario::Scenario;
use super::sends::pay;
use crate::reactor::Handle;
use crate::ring::sim::{Choices, Faults, GATHER_MS, Net, World};
use crate::tick::Tick;

/// The world of a simulated run.
pub(super) struct Outside {
    pub(super) shared: Shared,
    pub(super) handle: Handle,
    pub(super) choices: Choices,
    pub(super) clients: Vec<Client>,
    pub(super) scenario: Scenario,
    /// When another thread does something next.
    pub(super) meddles: Tick,
}

impl World for Outside {
    fn step(&mut self, net: &mut Net) -> Option<Tick> {
        let shared = self.shared.clone();
        let mut ledger = shared.lock();
        let now = net.now();
        let passed = now - std::mem::replace(&mut ledger.now, now);
        if net.is_stalled() {
            ledger.stalls += u64::from(passed == 0);
            ledger.stalled_at = now;
            ledger.stalled += passed;
            ledger.stop_by += passed;
        }
        let mut next = self.scenario.deadline() + ledger.stalled;
        assert!(now <= next, "no progress by {now}:\n{}", self.describe());
        if let Some((at, how)) = &self.scenario.drain
            && !ledger.stopping
            && !net.is_stalled()
        {
            next = next.min(*at);
            if now >= *at {
                ledger.drain(how);
                self.handle.drain(how.clone()).expect("it runs");
            }
        }
        if let Some((at, grace)) = self.scenario.stop
            && !net.is_stalled()
        {
            next = next.min(at.max(now));
            if now >= at {
                self.scenario.stop = None;
                ledger.stop(grace);
                self.handle.stop(grace);
            }
        }
        if !ledger.calm && !net.is_stalled() {
            if now >= self.scenario.calm_at {
                self.calm(net, &mut ledger);
            } else {
                self.meddle(&mut ledger);
                next = next.min(self.meddles).min(self.scenario.calm_at);
            }
        }
        for client in &mut self.clients {
            if let Some(at) = client.step(net, &mut ledger) {
                next = next.min(at);
            }
        }
        ledger.clients_done = self.clients.iter().all(Client::is_done);
        Some(next.max(now + 1))
    }
}

impl Outside {
    fn describe(&self) -> String {
        self.clients.iter().map(|client| client.describe() + "\n").collect()
    }

    /// Another thread does something, now and then.
    fn meddle(&mut self, ledger: &mut Ledger) {
        if ledger.now < self.meddles {
            return;
        }
        self.meddles = ledger.now + 1 + self.choices.below(30) as Tick;
        let Some((conn, client)) = ledger.any_conn() else { return };
        match self.choices.below(24) {
            0..8 => mail(&self.handle, ledger, conn, client),
            20.. => publish_by_mail(&self.handle, ledger),
            8..14 => {
                let posted = ledger.now;
                let gathers = self.scenario.faults.gather > 0;
                let prompt = 1 + if gathers { GATHER_MS } else { 0 };
                post(&self.handle, ledger, &self.shared, move |_, ledger| {
                    let late = ledger.now - posted;
                    let excused = ledger.stopping || ledger.stalled_at >= posted;
                    assert!(late <= prompt || excused, "a job ran {late} ms after its post");
                });
            }
            14..18 => {
                let at = self.choices.below(ledger.kept.len());
                release(ledger, at);
            }
            18 => {
                if self.handle.abort(conn).is_ok() {
                    ledger.records[client].app_abort_mailed = true;
                }
            }
            _ => self.handle.stats(None).map_or((), |stats| {
                assert!(stats.connections <= stats.accepted);
                let states: u64 = stats.connections_by_state.iter().sum();
                assert_eq!(states, stats.connections, "{:?}", stats.connections_by_state);
            }),
        }
    }

    /// The faults stop, and so does the application: from here on everyone must get on.
    fn calm(&self, net: &mut Net, ledger: &mut Ledger) {
        ledger.note(|| "calm".into());
        ledger.calm = true;
        ledger.calm_since = ledger.now;
        net.faults = Faults::NONE;
        for at in (0..ledger.kept.len()).rev() {
            release(ledger, at);
        }
        post(&self.handle, ledger, &self.shared, |ctx, ledger| {
            for (conn, client) in ledger.conns.clone() {
                // Whoever leaves is never read again, and has to be let go all the same.
                if ledger.records[client].leaves {
                    continue;
                }
                be_patient(ctx, ledger, conn, client);
                if ctx.resume(conn).is_ok() {
                    ledger.records[client].paused = None;
                    pay(ctx, ledger, conn, client);
                }
            }
        });
    }
}
