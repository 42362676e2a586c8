//! What the threads of a run share: where engines are, and how far the run is.

use super::history::{At, Speaker};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Publishers publish.
    Load,
    /// Nobody publishes any more, and members hear what they must.
    Settle,
    Over,
}

/// A life of an engine, and where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Post {
    pub(super) at: Speaker,
    pub(super) port: u16,
}

pub(super) struct Stage {
    start: Instant,
    phase: AtomicU8,
    posts: Vec<Mutex<Option<Post>>>,
    pub(super) published: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) gaps: AtomicU64,
}

impl Stage {
    pub(super) fn new(engines: usize) -> Self {
        Self {
            start: Instant::now(),
            phase: AtomicU8::new(0),
            posts: (0..engines).map(|_| Mutex::default()).collect(),
            published: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
        }
    }

    pub(super) fn now(&self) -> At {
        self.start.elapsed().as_micros() as At
    }

    /// Until then.
    pub(super) fn left(&self, at: At) -> Duration {
        Duration::from_micros(at.saturating_sub(self.now()))
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::SeqCst) {
            0 => Phase::Load,
            1 => Phase::Settle,
            _ => Phase::Over,
        }
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::SeqCst);
    }

    pub(super) fn post(&self, engine: usize) -> Option<Post> {
        *self.posts[engine].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_post(&self, engine: usize, post: Option<Post>) {
        *self.posts[engine].lock().unwrap_or_else(PoisonError::into_inner) = post;
    }
}
