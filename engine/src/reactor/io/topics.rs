//! Once per turn: which topics have begun here, and which have ended.

use crate::reactor::state::Reactor;
use crate::ring::Kernel;
use std::sync::Arc;

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
        let Some(on_topic) = self.on_topic.as_ref().map(Arc::clone) else { return };
        for _ in 0..changes {
            let Some((name, begins)) = self.ctx.topics.next_change() else { return };
            on_topic(&mut self.ctx, &name, begins);
        }
    }
}
