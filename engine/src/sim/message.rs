//! Messages of a run.

use crate::proto::Opcode;
use crate::ring::sim::Choices;

/// A whole message.
pub(super) type Whole = (Opcode, Vec<u8>);

/// A message of a random kind and size that begins with `mark`.
pub(super) fn draw_message(choices: &mut Choices, most: usize, mark: &str) -> Whole {
    let classes = [40, 0, 125, 126, 1000, 1, 5000, most];
    let class = *choices.pick(&classes);
    let len = choices.between(class / 2, class).min(most);
    let mut payload = mark.as_bytes().to_vec();
    if choices.chance(500) {
        let start = choices.below(256) as u8;
        payload.extend((0..len).map(|i| start.wrapping_add(i as u8)));
        payload.truncate(most);
        return (Opcode::Binary, payload);
    }
    let letters = ["a", "b", "é", "€", "𝄞"];
    while payload.len() < len {
        payload.extend_from_slice(choices.pick(&letters).as_bytes());
    }
    let fits = payload.len() <= most;
    (Opcode::Text, if fits { payload } else { mark.as_bytes().to_vec() })
}
