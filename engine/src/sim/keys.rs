//! What a client is promised of keys: of the messages sent under one the newest in any case, and
//! those before it in order, if at all.

use super::message::Whole;
use std::collections::BTreeMap;

/// The keys of a topic, beside those of the connection.
pub(super) fn of_topic(topic: usize, key: u64) -> u64 {
    10 * (topic as u64 + 1) + key
}

/// One client's keys: the number of the message sent last under each, and of that which has come.
#[derive(Debug, Default)]
pub(super) struct Keys {
    sent: BTreeMap<u64, u64>,
    /// Those that may come, but need not.
    offered: BTreeMap<u64, u64>,
    come: BTreeMap<u64, u64>,
}

impl Keys {
    /// Something was taken.
    pub(super) fn sent(&mut self, key: u64, number: u64) {
        self.sent.insert(key, number);
    }

    /// Something may come that was not promised.
    pub(super) fn offered(&mut self, key: u64, number: u64) {
        self.offered.insert(key, number);
    }

    /// Something has come; `false` if it was not sent under a key.
    pub(super) fn heard(&mut self, (_, payload): &Whole) -> bool {
        let Some(rest) = payload.strip_prefix(b"latest ") else { return false };
        let mut words = rest.split(|&byte| byte == b' ');
        let mut number = || {
            let word = words.next().and_then(|word| std::str::from_utf8(word).ok());
            word.and_then(|word| word.parse::<u64>().ok()).expect("as it was sent")
        };
        let (key, number) = (number(), number());
        let before = self.come.insert(key, number);
        assert!(before < Some(number), "{number} of key {key} has come behind {before:?}");
        let newest = self.sent.get(&key).max(self.offered.get(&key));
        assert!(newest >= Some(&number), "{number} of key {key} was not taken");
        true
    }

    /// All that was queued has come that was to: the keys of which neither the newest that was
    /// promised has, nor one that has taken its place.
    pub(super) fn missing(&self) -> usize {
        self.sent.iter().filter(|(key, newest)| self.come.get(key) < Some(newest)).count()
    }
}
