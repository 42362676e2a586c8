//! Once per turn: which topics have begun here, which have ended, and what their members do
//! without.

use crate::reactor::core::key;
use crate::reactor::core::topics::Change;
use crate::reactor::state::Reactor;
use crate::ring::Kernel;

impl<K: Kernel> Reactor<K> {
    /// Reports what has changed so far. Apart from the calls that change it: no callback comes
    /// before another has returned. What these change is for the next turn.
    #[inline]
    pub(crate) fn report_topics(&mut self) {
        let changes = self.ctx.topics.changes();
        if changes > 0 {
            self.report_changes(changes);
        }
    }

    #[cold]
    fn report_changes(&mut self, changes: usize) {
        let (on_topic, on_gap) = (self.on_topic.clone(), self.on_gap.clone());
        let on_late = self.on_late.clone();
        for _ in 0..changes {
            let Some((name, change)) = self.ctx.topics.next_change() else { return };
            if let (Change::Late(conn), Some(on_late)) = (change, &on_late) {
                on_late(&mut self.ctx, conn, &name);
                continue;
            }
            match (change, &on_topic, &on_gap) {
                (Change::Missing(gap), _, Some(on_gap)) => on_gap(&mut self.ctx, &name, &gap),
                (Change::Begins, Some(on_topic), _) => on_topic(&mut self.ctx, &name, true),
                (Change::Ends, Some(on_topic), _) => on_topic(&mut self.ctx, &name, false),
                // Only what somebody wants to hear is noted.
                _ => {}
            }
        }
    }

    /// What is kept of topics, looked through by one reactor for all, with and without traffic.
    pub(crate) fn sweep_history(&mut self) {
        let directory = &self.ctx.post.handle.0.directory;
        let logs = directory.sweep();
        let Some(history) = directory.history.get() else { return };
        self.ctx.counters.history_logs.set(logs as u64);
        self.ctx.counters.history_bytes.set(history.bytes() as u64);
        self.ctx.wheel.insert(self.ctx.now + history.sweep_ms(), key::HISTORY);
    }
}
