//! What stays while connections come and go.

use super::interests::Interests;
use super::options::Checked;
use super::pool::{Pool, Server};
use super::tell::Tell;
use crate::broker::Inbound;
use crate::config::Level;
use std::time::Instant;

/// What stays while connections come and go.
pub(super) struct Home {
    pub(super) options: Checked,
    pub(super) pool: Pool,
    /// The one that is tried or connected to.
    pub(super) server: Server,
    pub(super) interests: Interests,
    pub(super) inbound: Inbound,
    pub(super) tell: Tell,
    /// The engine believes us to be connected, to a broker that takes frames so large.
    up: Option<usize>,
    /// This server does not like our credentials.
    is_refused: bool,
}

impl Home {
    pub(super) fn new(options: Checked, mut pool: Pool, inbound: Inbound, tell: Tell) -> Self {
        let (server, _) = pool.next();
        Self {
            options,
            pool,
            server,
            interests: Interests::default(),
            inbound,
            tell,
            up: None,
            is_refused: false,
        }
    }

    /// A frame has come. One that finds the engine full is dropped there: if we waited, the broker
    /// would cut us off, and everybody would miss something.
    pub(super) fn message(&self, sid: u64, payload: &[u8]) {
        let counters = self.inbound.counters();
        counters.nats_frames_in.add(1);
        counters.nats_bytes_in.add(payload.len() as u64);
        // What comes for a subscription that has ended was on its way.
        if let Some(topic) = self.interests.topic(sid) {
            self.inbound.deliver(topic, payload);
        }
    }

    /// The broker does not like something.
    pub(super) fn complains(&mut self, text: &str) {
        self.inbound.counters().nats_refused.add(1);
        let lower = text.to_ascii_lowercase();
        self.is_refused |= lower.contains("authoriz") || lower.contains("authentic");
        if !self.is_refused {
            self.tell.refused(text);
        }
    }

    /// Connected, and all subscriptions are taken.
    pub(super) fn up(&mut self, frame_max: usize) {
        self.pool.connected();
        self.tell.connected();
        // Said again it would begin everything anew.
        if self.up.replace(frame_max) != Some(frame_max) {
            self.inbound.up(frame_max);
        }
    }

    /// There is no connection: which server is tried next, and when.
    pub(super) fn lost(&mut self, why: &str, leaving: bool, now: Instant) -> Instant {
        let text = format!("{}: {why}", self.server.address);
        let refused = std::mem::take(&mut self.is_refused);
        if refused {
            self.pool.refused();
            let text = format!(
                "{text}; check user, password, token, nkey_seed or the file of credentials, and \
                 that the server has such a user"
            );
            self.tell.failed(Level::Error, &text, now);
        } else if !leaving {
            self.tell.failed(Level::Warn, &text, now);
        }
        let mut until = now;
        if self.up.take().is_some() {
            self.inbound.down(&text);
            until += self.pool.lost(&self.server, leaving);
        }
        let (server, pause) = self.pool.next();
        self.server = server;
        until + pause
    }
}
