//! Who becomes a member, and what comes to the engines of members.

use super::ledger::Ledger;
use super::members::{Heard, Membership};
use crate::bus::{Envelope, Kind};
use std::collections::HashMap;

impl Ledger {
    pub(super) fn join(&mut self, life: usize, topic: usize, is_muddled: bool) -> usize {
        let since_id = self.last_id;
        self.members.push(Membership {
            life,
            topic,
            since: self.now,
            since_id,
            settled_at: None,
            is_asked: false,
            is_muddled,
            is_over: false,
            heard: HashMap::new(),
        });
        self.members.len() - 1
    }

    /// The bus knows of a member.
    pub(super) fn asked(&mut self, member: usize, is_up: bool) {
        let settled_at = self.now + self.settle_ms;
        let of = &mut self.members[member];
        of.is_asked = true;
        if is_up && of.settled_at.is_none() {
            of.settled_at = Some(settled_at);
        }
    }

    /// The bus is down: who was not settled by then begins anew when it is up.
    pub(super) fn unsettled(&mut self, member: usize) {
        let now = self.now;
        self.members[member].settled_at.take_if(|at| now < *at);
    }

    /// Where an open gap begins that a member was told of somebody.
    pub(super) fn open_gap(&self, member: usize, from: usize) -> Option<u64> {
        self.members[member].heard.get(&from)?.open
    }

    /// What came found no room: it lies in the open gap, as far as anybody can see.
    pub(super) fn still_open(&mut self, member: usize, from: usize, first: u64) {
        if let Some(heard) = self.members[member].heard.get_mut(&from) {
            // Nor has it closed the gap.
            if heard.open.is_none() {
                heard.told.pop_if(|(begins, _)| *begins == first);
            }
            heard.open = Some(first);
        }
    }

    /// A frame comes to an engine that has a member, before that is told what it means.
    pub(super) fn comes(&mut self, member: usize, from: usize, envelope: &Envelope<'_>) {
        let origin = self.lives[from].origin;
        if !self.members[member].is_asked || self.is_followed(member, origin) {
            return;
        }
        let (now, number) = (self.now, envelope.number);
        let is_message = matches!(envelope.kind, Kind::Message { .. });
        let before = number.seq - u64::from(is_message);
        let known = self.members[member].heard_of(origin.node, from, &self.lives);
        let of = &mut self.members[member];
        let owed_after = if known.is_some() { number.start - 1 } else { before };
        let heard = of.heard.entry(from).or_insert_with(|| Heard::at(owed_after, now));
        let is_old = before < heard.top || heard.ended && number.start <= heard.top;
        if is_old {
            return;
        }
        heard.close(before);
        if heard.top > 0 && !heard.ended && number.start > heard.top + 1 {
            heard.between.push((heard.top + 1, number.start - 1));
        }
        heard.starts.insert(number.start);
        heard.came_before = heard.came_at;
        (heard.top, heard.start, heard.came_at) = (number.seq, number.start, now);
        heard.ended = envelope.kind == Kind::End;
    }
}
