//! What we have subscribed to, over connections.

use crate::bus::Name;
use std::collections::{BTreeMap, HashMap};

/// Topics and the numbers of their subscriptions, which are never used again: what comes for one
/// that has ended is for nobody.
#[derive(Debug, Default)]
pub(super) struct Interests {
    by_topic: HashMap<Name, u64>,
    by_sid: BTreeMap<u64, Name>,
    last: u64,
}

impl Interests {
    /// From now on; `None`: it was before.
    pub(super) fn begin(&mut self, topic: Name) -> Option<u64> {
        if self.by_topic.contains_key(&topic) {
            return None;
        }
        self.last += 1;
        self.by_topic.insert(topic.clone(), self.last);
        self.by_sid.insert(self.last, topic);
        Some(self.last)
    }

    /// No longer; `None`: it was not.
    pub(super) fn end(&mut self, topic: &[u8]) -> Option<u64> {
        let sid = self.by_topic.remove(topic)?;
        self.by_sid.remove(&sid);
        Some(sid)
    }

    /// The topic of a subscription.
    pub(super) fn topic(&self, sid: u64) -> Option<&Name> {
        self.by_sid.get(&sid)
    }

    /// The first subscription with a number greater than `sid`.
    pub(super) fn behind(&self, sid: u64) -> Option<(u64, &Name)> {
        self.by_sid.range(sid + 1..).next().map(|(sid, topic)| (*sid, topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_not_used_again() {
        let mut all = Interests::default();
        let name = |text: &str| Name::from(text.as_bytes());
        assert_eq!((all.begin(name("a")), all.begin(name("b"))), (Some(1), Some(2)));
        assert_eq!((all.begin(name("a")), all.end(b"a"), all.end(b"a")), (None, Some(1), None));
        assert_eq!((all.topic(1), all.topic(2)), (None, Some(&name("b"))));
        assert_eq!(all.begin(name("a")), Some(3));
        let order: Vec<u64> = std::iter::successors(all.behind(0), |(sid, _)| all.behind(*sid))
            .map(|(sid, _)| sid)
            .collect();
        assert_eq!(order, [2, 3]);
    }
}
