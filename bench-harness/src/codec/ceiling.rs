//! What no codec can pass, and what the standard library does.

use super::input::Input;
use super::{Case, Operation, Task};
use std::hint::black_box;

/// The name of the ceiling, in tables and as a codec.
pub const CEILING: &str = "ceiling-codec";

/// `memcpy` of what a pass works on, frame by frame.
pub fn copy(task: Task) -> Case {
    let input = task.input();
    let frames = input.frames;
    let (from, frame, skip) = match task.operation {
        Operation::HeaderDecode | Operation::HeaderEncode => (input.headers(), input.header, 0),
        _ => {
            let (stride, header) = (input.stride(), input.header);
            (input.wire, stride, header)
        }
    };
    let mut to = vec![0; from.len()];
    Case::new(task, CEILING, frames, move || {
        let pairs = black_box(&mut to).chunks_exact_mut(frame).zip(from.chunks_exact(frame));
        let mut copied = 0;
        for (to, from) in pairs {
            if let (Some(to), Some(from)) = (to.get_mut(skip..), from.get(skip..)) {
                to.copy_from_slice(from);
                copied += 1;
            }
        }
        copied
    })
}

/// `std::str::from_utf8` of the same payloads. It finds them unmasked, and its time is that of the
/// check alone.
pub fn from_utf8(task: Task) -> Case {
    let input = task.input();
    let Input { payload, frames, header, .. } = &input;
    let (frames, header, stride) = (*frames, *header, input.stride());
    let mut plain = vec![b'.'; header];
    plain.extend(payload);
    let plain = plain.repeat(frames);
    Case::new(task, "std::str::from_utf8 (check only)", frames, move || {
        let payloads = black_box(&plain).chunks_exact(stride).filter_map(|f| f.get(header..));
        payloads.filter(|payload| std::str::from_utf8(black_box(payload)).is_ok()).count()
    })
}
