//! What a node of the wheel is for, as the number that the wheel keeps.

const TIMER: u64 = 1 << 63;
const LISTENER: u64 = 1 << 62;
pub(crate) const GRACE: u64 = 1 << 61;
pub(crate) const TRIM: u64 = 1 << 60;
const DIAL: u64 = 1 << 59;

pub(crate) enum Due {
    Timer(u32),
    Listener(usize),
    Grace,
    Trim,
    Dial(u32),
    Slot(u32),
}

pub(crate) fn of_slot(index: u32) -> u64 {
    u64::from(index)
}
pub(crate) fn of_listener(index: usize) -> u64 {
    LISTENER | index as u64
}
pub(crate) fn of_dial(index: u32) -> u64 {
    DIAL | u64::from(index)
}
pub(crate) fn of_timer(index: u32) -> u64 {
    TIMER | u64::from(index)
}
pub(crate) fn decode(key: u64) -> Due {
    if key & TIMER != 0 {
        Due::Timer(key as u32)
    } else if key & LISTENER != 0 {
        Due::Listener((key & !LISTENER) as usize)
    } else if key & GRACE != 0 {
        Due::Grace
    } else if key & TRIM != 0 {
        Due::Trim
    } else if key & DIAL != 0 {
        Due::Dial(key as u32)
    } else {
        Due::Slot(key as u32)
    }
}
