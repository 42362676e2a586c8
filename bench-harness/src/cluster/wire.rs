//! What members, publishers and engines say to each other, and what is in a message.

use ringws_engine::broker::{Cause, Gap};

/// In front of the topics that cross machines.
pub(super) const ACROSS: &str = "x/";
const WORDS: usize = 1 + 1 + 1 + 2 + 4 + 8;

/// In front of those that do not, and the first number that they have.
const WITHIN: &str = "w/";
pub(crate) const FIRST_WITHIN: u8 = 200;

/// The name of a topic.
pub(super) fn topic(number: u8) -> String {
    let prefix = if number < FIRST_WITHIN { ACROSS } else { WITHIN };
    format!("{prefix}{number}")
}

/// Its number.
pub(super) fn topic_of(name: &[u8]) -> Option<u8> {
    let name = str::from_utf8(name).ok()?;
    name.strip_prefix(ACROSS).or_else(|| name.strip_prefix(WITHIN))?.parse().ok()
}

/// A message of a publisher: the engine that it is at, which of its lives, the topic, and its place
/// among all that it has tried to publish there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) topic: u8,
    pub(super) node: u8,
    pub(super) life: u16,
    pub(super) serial: u32,
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix)
}

impl Words {
    /// With so many bytes behind them.
    pub(super) fn encode(self, more: usize) -> Vec<u8> {
        let mut bytes = vec![b'm', self.topic, self.node];
        bytes.extend_from_slice(&self.life.to_be_bytes());
        bytes.extend_from_slice(&self.serial.to_be_bytes());
        let of_more = |index: usize| (index as u32).wrapping_mul(self.serial | 1) as u8;
        let more: Vec<u8> = (0..more).map(of_more).collect();
        let sum = checksum(&[&bytes[..], &more].concat());
        bytes.extend_from_slice(&sum.to_be_bytes());
        bytes.extend_from_slice(&more);
        bytes
    }

    /// `None`: these bytes are not those that were published.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, more) = bytes.split_at_checked(WORDS)?;
        let (head, sum) = words.split_at_checked(WORDS - 8)?;
        if u64::from_be_bytes(sum.try_into().ok()?) != checksum(&[head, more].concat()) {
            return None;
        }
        let [b'm', topic, node, rest @ ..] = head else { return None };
        let (life, serial) = rest.split_first_chunk()?;
        let (life, serial) = (u16::from_be_bytes(*life), serial.try_into().ok()?);
        Some(Self { topic: *topic, node: *node, life, serial: u32::from_be_bytes(serial) })
    }
}

/// What was done with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// None has come: the engine has ended.
    Unknown,
    /// It was published.
    Accepted,
    /// It was not: nobody is to get it.
    Refused,
}

/// What an engine says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A message, or what came in its place.
    Message(Option<Words>),
    /// A gap.
    Gap(u8, Gap),
    /// Whether the bus is up.
    Up(bool),
    Joined(u8),
    Left(u8),
    Answer(Answer),
}

/// As a member of any topic is told of it.
pub(super) fn gap(topic: &[u8], gap: &Gap) -> Vec<u8> {
    let cause = match gap.cause {
        Cause::Lost => 0,
        Cause::Silent => 1,
        Cause::Restarted => 2,
        Cause::Unheard => 3,
    };
    let mut bytes = vec![b'g', topic_of(topic).unwrap_or(u8::MAX), cause];
    let last = gap.last.unwrap_or(u64::MAX);
    for number in [gap.origin.node, gap.origin.epoch, gap.first, last] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes
}

fn read_gap(bytes: &[u8]) -> Option<Said> {
    let [topic, cause, numbers @ ..] = bytes else { return None };
    let mut numbers = numbers.chunks_exact(8).map(|bytes| bytes.try_into().map(u64::from_be_bytes));
    let mut next = || numbers.next()?.ok();
    let origin = ringws_engine::broker::Origin { node: next()?, epoch: next()? };
    let (first, last) = (next()?, next()?);
    let causes = [Cause::Lost, Cause::Silent, Cause::Restarted, Cause::Unheard];
    let cause = *causes.get(usize::from(*cause))?;
    let gap = Gap { origin, first, last: (last != u64::MAX).then_some(last), cause };
    Some(Said::Gap(*topic, gap))
}

/// The messages in a gap, where that is what an engine says.
pub(crate) fn missing(bytes: &[u8]) -> u64 {
    match Said::read(bytes) {
        Some(Said::Gap(_, gap)) => gap.count(),
        _ => 0,
    }
}

impl Said {
    /// `None`: no engine says that.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'm', ..] => Some(Self::Message(Words::decode(bytes))),
            [b'g', rest @ ..] => read_gap(rest),
            [b's', up] => Some(Self::Up(*up == 1)),
            [b'j', topic] => Some(Self::Joined(*topic)),
            [b'l', topic] => Some(Self::Left(*topic)),
            [b'p', 0] => Some(Self::Answer(Answer::Accepted)),
            [b'p', _] => Some(Self::Answer(Answer::Refused)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringws_engine::broker::Origin;

    #[test]
    fn messages_come_back_as_they_were_or_not_at_all() {
        let words = Words { topic: 3, node: 1, life: 300, serial: 70_000 };
        for more in [0, 1, 500] {
            let bytes = words.encode(more);
            assert_eq!(Words::decode(&bytes), Some(words));
            for at in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[at] ^= 4;
                assert_eq!(Words::decode(&bad), None, "{at}");
            }
            assert_eq!(Words::decode(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn gaps_come_back_as_they_were() {
        let of = [
            (Some(9), Cause::Lost),
            (None, Cause::Silent),
            (None, Cause::Restarted),
            (Some(9), Cause::Unheard),
        ];
        for (last, cause) in of {
            let told = Gap { origin: Origin { node: 2, epoch: 1 << 50 }, first: 7, last, cause };
            assert_eq!(Said::read(&gap(topic(4).as_bytes(), &told)), Some(Said::Gap(4, told)));
        }
        assert_eq!(Said::read(b"?"), None);
    }
}
