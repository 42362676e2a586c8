//! Messages, counted by what they are.

use super::counters::Counters;
use super::labels::{BINARY, TEXT, place_of_data, place_of_part};
use crate::proto::Opcode;

impl Counters {
    /// Whole messages were delivered.
    #[inline(always)]
    pub(crate) fn count_in(&self, texts: usize, binaries: usize, bytes: usize) {
        self.messages_in_by_opcode.of(TEXT).add(texts as u64);
        self.messages_in_by_opcode.of(BINARY).add(binaries as u64);
        self.bytes_in.add(bytes as u64);
    }

    /// A message is delivered, or a part of one.
    #[inline(always)]
    pub(crate) fn count_in_one(&self, opcode: Opcode, first: bool, bytes: usize) {
        self.messages_in_by_opcode.of(place_of_part(opcode, first)).add(1);
        self.bytes_in.add(bytes as u64);
    }

    /// Whole messages were queued.
    #[inline(always)]
    pub(crate) fn count_out(&self, texts: u64, binaries: u64) {
        self.messages_out_by_opcode.of(TEXT).add(texts);
        self.messages_out_by_opcode.of(BINARY).add(binaries);
    }

    /// A frame of data was queued, or dropped in place of that. Control frames are counted by their
    /// connections.
    #[inline(always)]
    pub(crate) fn count_out_one(&self, opcode: Opcode, queued: bool) {
        if let Some(at) = place_of_data(opcode) {
            self.messages_out_by_opcode.of(at).add(u64::from(queued));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::counters::{Kind, ROWS, Stats};
    use super::*;

    #[test]
    fn sums_are_of_all_numbers() {
        let counters = Counters::default();
        counters.accepted.add(3);
        let mut sum = counters.snapshot();
        sum += counters.snapshot();
        assert_eq!(sum.accepted, 6);
        counters.violations_by_kind.count(2);
        counters.violations_by_kind.count(2);
        assert_eq!(counters.snapshot().violations_by_kind[..4], [0, 0, 2, 0]);
        assert_eq!(sum, Stats { accepted: 6, ..Stats::default() });
    }

    #[test]
    fn rows_are_what_prometheus_takes() {
        let lower = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || "_".contains(c));
        for (at, row) in ROWS.iter().enumerate() {
            assert!(lower(row.name) && lower(row.label) && row.name.starts_with("ringws_"));
            assert!(ROWS.iter().skip(at + 1).all(|other| other.name != row.name), "{row:?}");
            assert_eq!(row.name.ends_with("_total"), row.kind == Kind::Counter, "{row:?}");
            assert!(!row.help.is_empty() && !row.help.contains(['\n', '\\']), "{row:?}");
            assert_eq!(row.values(&Stats::default()).len(), row.label_values.len().max(1));
            assert_eq!(row.label.is_empty(), row.label_values.is_empty(), "{row:?}");
            for (at, value) in row.label_values.iter().enumerate() {
                assert!(!value.is_empty() && !value.contains(['"', '\n', '\\']), "{row:?}");
                assert!(!row.label_values[..at].contains(value), "{row:?}");
            }
        }
    }
}
