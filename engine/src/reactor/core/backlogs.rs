//! Which connections of a reactor had something queued when they were last looked at: a bit for
//! each, so that to note it costs next to nothing, and to ask does not look at those that are idle.

/// By the number of its slot.
#[derive(Debug, Default)]
pub(crate) struct Backlogs {
    bits: Vec<u64>,
    /// They are going to be looked at.
    pub(crate) watched: bool,
}

impl Backlogs {
    /// It has something queued.
    pub(crate) fn note(&mut self, index: u32) {
        let (word, bit) = (index as usize / 64, index % 64);
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if let Some(bits) = self.bits.get_mut(word) {
            *bits |= 1 << bit;
        }
    }

    /// All that were noted, in the order of their numbers; none of them is any more.
    pub(crate) fn take(&mut self) -> Vec<u32> {
        let mut noted = Vec::new();
        for (word, bits) in (0..).zip(&mut self.bits) {
            let mut left: u64 = std::mem::take(bits);
            while left != 0 {
                noted.push(word * 64 + left.trailing_zeros());
                left &= left - 1;
            }
        }
        noted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_that_was_noted_is_told_once() {
        let mut backlogs = Backlogs::default();
        [700, 3, 63, 64, 3].into_iter().for_each(|index| backlogs.note(index));
        assert_eq!(backlogs.take(), [3, 63, 64, 700]);
        assert!(backlogs.take().is_empty());
    }
}
