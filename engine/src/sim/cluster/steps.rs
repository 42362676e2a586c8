//! Each step of a script, and the calm behind the last one.

use super::script::{ENGINES, Step, TOPICS};
use super::{SLOW_MS, World};
use crate::tick::Tick;

impl World {
    /// One thing happens, if it can.
    pub(super) fn step(&mut self, step: &Step) {
        match *step {
            Step::Join { engine, topic } => self.join(engine, topic),
            Step::Leave { engine, topic } => self.leave(engine, topic),
            Step::Publish { engine, topic, bytes } => self.publish(engine, topic, bytes),
            Step::Drop { from, to, topic, count } => self.network.drops[from][to][topic] += count,
            Step::Cut { from, to } => self.network.cut[from][to] = true,
            Step::Heal { from, to } => self.network.cut[from][to] = false,
            Step::Delay { from, to, ms } => self.network.delay[from][to] = ms,
            Step::Again { from, to, topic, count } => self.again((from, to, topic), count),
            Step::Down { engine, loses } => self.down(engine, loses),
            Step::Up { engine, late_ms, frame_max } => self.up(engine, late_ms, frame_max),
            Step::Stall { engine } => self.stall(engine, true),
            Step::Resume { engine } => self.stall(engine, false),
            Step::Stick { engine } => self.stick(engine, true),
            Step::Unstick { engine } => self.stick(engine, false),
            Step::End { engine } => self.end(engine),
            Step::Crash { engine, loses } => self.over(engine, loses),
            Step::Start { engine, anew } => self.restart(engine, anew),
        }
        (0..ENGINES).for_each(|at| self.read(at));
    }

    fn join(&mut self, at: usize, topic: usize) {
        let Some(site) = &mut self.sites[at] else { return };
        if site.members[topic].is_none() {
            // The one before has left, and the bus was not told yet.
            let is_muddled = site.wants.contains_key(&topic);
            let member = self.ledger.join(site.life, topic, is_muddled);
            site.join(topic, member);
        }
    }

    fn leave(&mut self, at: usize, topic: usize) {
        if let Some(member) = self.sites[at].as_mut().and_then(|site| site.leave(topic)) {
            self.ledger.members[member].is_over = true;
        }
    }

    fn publish(&mut self, at: usize, topic: usize, bytes: usize) {
        let Some(site) = &mut self.sites[at] else { return };
        self.ids += 1;
        match site.publish(topic, self.ids, bytes) {
            Ok(number) => {
                self.report.published += 1;
                self.ledger.given(site.life, topic, number, self.ids);
            }
            Err(_) => self.report.refused += 1,
        }
    }

    fn again(&mut self, (from, to, topic): (usize, usize, usize), count: usize) {
        let (Some(from), Some(to)) = (&self.sites[from], &self.sites[to]) else { return };
        self.ledger.trouble_until(from.life, to.life, self.now + SLOW_MS);
        self.network.again(self.now, (from.life, to.life, topic), to.conn, count);
    }

    fn down(&mut self, at: usize, loses: bool) {
        let Some(site) = self.sites[at].as_mut().filter(|site| site.is_up) else { return };
        site.is_up = false;
        site.conn += 1;
        site.inbound.down("a step");
        self.ledger.lives[site.life].is_down = true;
        let life = site.life;
        let members = site.members;
        members.into_iter().flatten().for_each(|member| self.ledger.unsettled(member));
        if loses {
            self.lose_from(life);
        }
    }

    fn lose_from(&mut self, life: usize) {
        for flight in self.network.lose_from(life) {
            self.is_lost(&flight);
        }
    }

    pub(super) fn up(&mut self, at: usize, late_ms: Tick, frame_max: usize) {
        let Some(site) = self.sites[at].as_mut().filter(|site| !site.is_up) else { return };
        (site.is_up, site.late_ms, site.frame_max) = (true, late_ms, frame_max);
        site.wants.values_mut().for_each(|from| *from = self.now + late_ms);
        site.inbound.up(frame_max);
        let until = self.now + if late_ms > SLOW_MS { late_ms } else { 0 };
        self.ledger.lives[site.life].is_down = false;
        if site.conn > 0 {
            self.ledger.trouble_of(site.life, until);
        }
        let life = site.life;
        let promised = self.promises.iter_mut().filter(|(of, _)| of.0 == life);
        promised.for_each(|(_, due)| *due = self.now);
        let members = site.members;
        let asked = |member: &&usize| self.ledger.members[**member].is_asked;
        let asked: Vec<usize> = members.iter().flatten().filter(asked).copied().collect();
        asked.into_iter().for_each(|member| self.ledger.asked(member, true));
    }

    fn stall(&mut self, at: usize, is_stalled: bool) {
        let Some(site) = &mut self.sites[at] else { return };
        site.is_stalled = is_stalled;
        self.ledger.lives[site.life].is_stalled = is_stalled;
        self.ledger.trouble_of(site.life, self.now);
    }

    fn stick(&mut self, at: usize, is_stuck: bool) {
        if let Some(site) = &mut self.sites[at] {
            site.stick(is_stuck);
        }
    }

    /// As it should: its members leave, and what it has to say goes out.
    fn end(&mut self, at: usize) {
        (0..TOPICS).for_each(|topic| self.leave(at, topic));
        let Some(site) = &mut self.sites[at] else { return };
        site.is_stalled = false;
        site.stop();
        self.pump(at);
        assert!(self.sites[at].is_none(), "a bus that was told to stop does");
    }

    /// It is no more.
    pub(super) fn over(&mut self, at: usize, loses: bool) {
        let Some(site) = self.sites[at].take() else { return };
        self.ledger.lives[site.life].is_over = true;
        for member in site.members.iter().flatten() {
            self.ledger.members[*member].is_over = true;
        }
        self.promises.retain(|of, _| of.0 != site.life);
        if loses {
            self.lose_from(site.life);
        }
        self.gone[at] = Some(self.ledger.lives[site.life].origin.node);
    }

    fn restart(&mut self, at: usize, anew: bool) {
        if self.sites[at].is_none() && at < self.engines {
            let node = self.gone[at].filter(|_| !anew);
            self.start(at, node);
        }
    }

    /// No more trouble: what was lost is told in time, and what is over is forgotten.
    pub(super) fn calm(&mut self) {
        self.network.heal();
        for at in 0..ENGINES {
            self.stall(at, false);
            self.stick(at, false);
            self.up(at, 0, 10_000);
            if let Some(site) = &mut self.sites[at] {
                (site.late_ms, site.frame_max) = (0, 10_000);
            }
        }
        let settings = self.settings;
        let slowest = Tick::from(settings.heartbeat_ms) * 4;
        // What is on its way, and whoever has fallen silent.
        self.pass(6_000 + Tick::from(settings.settle_ms) * 2 + slowest * 3 + 2_100);
        self.ledger.converged();
        self.pass(Tick::from(settings.forget_ms) + slowest + 1_000);
        for at in 0..ENGINES {
            let said = self.sites[at].as_ref().map_or(0, |site| site.port.counts().said);
            assert_eq!(said, 0, "long after the last message something is said of topics");
            (0..TOPICS).for_each(|topic| self.leave(at, topic));
        }
        self.pass(1_000);
        for site in self.sites.iter().flatten() {
            assert_eq!(site.port.counts().heard, 0, "without members something is heard");
            assert_eq!(site.handle.0.directory.len(), 0, "without members there are topics");
        }
        self.report.gaps = self.ledger.gaps;
        self.report.came = self.ledger.came;
    }
}
