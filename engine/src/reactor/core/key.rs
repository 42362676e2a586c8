//! What a node of the wheel is for, as the number that the wheel keeps: the highest bit that is set
//! tells the kind, the bits below it which one. Slots have 24 bits.

const TIMER: u32 = 1 << 31;
const LISTENER: u32 = 1 << 30;
const DIAL: u32 = 1 << 29;
pub(crate) const GRACE: u32 = 1 << 28;
pub(crate) const TRIM: u32 = 1 << 27;
/// Of which there is one, too.
pub(crate) const QUEUES: u32 = TRIM | 1;
pub(crate) const PARTINGS: u32 = TRIM | 2;
pub(crate) const CLOSES: u32 = 1 << 26;
/// Of which there is one, too.
pub(crate) const HISTORY: u32 = CLOSES | 1;
const LIFETIME: u32 = 1 << 25;
const PING: u32 = 1 << 24;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Timer(u32),
    Listener(usize),
    Grace,
    Trim,
    Queues,
    Partings,
    Closes,
    History,
    Dial(u32),
    Slot(u32),
    Lifetime(u32),
    Ping(u32),
}

pub(crate) fn of_slot(index: u32) -> u32 {
    index
}
/// The end of a slot's time.
pub(crate) fn of_lifetime(index: u32) -> u32 {
    LIFETIME | index
}
/// The next Ping of a slot whose round trip is measured.
pub(crate) fn of_ping(index: u32) -> u32 {
    PING | index
}
pub(crate) fn of_listener(index: usize) -> u32 {
    LISTENER | index as u32
}
pub(crate) fn of_dial(index: u32) -> u32 {
    DIAL | index
}
pub(crate) fn of_timer(index: u32) -> u32 {
    TIMER | index
}
pub(crate) fn decode(key: u32) -> Due {
    if key & TIMER != 0 {
        Due::Timer(key & !TIMER)
    } else if key & LISTENER != 0 {
        Due::Listener((key & !LISTENER) as usize)
    } else if key & DIAL != 0 {
        Due::Dial(key & !DIAL)
    } else if key & GRACE != 0 {
        Due::Grace
    } else if key == QUEUES {
        Due::Queues
    } else if key == PARTINGS {
        Due::Partings
    } else if key & TRIM != 0 {
        Due::Trim
    } else if key == HISTORY {
        Due::History
    } else if key & CLOSES != 0 {
        Due::Closes
    } else if key & LIFETIME != 0 {
        Due::Lifetime(key & !LIFETIME)
    } else if key & PING != 0 {
        Due::Ping(key & !PING)
    } else {
        Due::Slot(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_what_it_was_made_for() {
        assert_eq!(decode(of_slot((1 << 24) - 1)), Due::Slot((1 << 24) - 1));
        assert_eq!(decode(of_listener(65_535)), Due::Listener(65_535));
        assert_eq!(decode(of_dial((1 << 29) - 1)), Due::Dial((1 << 29) - 1));
        assert_eq!(decode(of_timer((1 << 28) - 1)), Due::Timer((1 << 28) - 1));
        assert_eq!(decode(of_lifetime((1 << 24) - 1)), Due::Lifetime((1 << 24) - 1));
        assert_eq!(decode(of_ping((1 << 24) - 1)), Due::Ping((1 << 24) - 1));
        assert_eq!((decode(GRACE), decode(TRIM)), (Due::Grace, Due::Trim));
        assert_eq!((decode(CLOSES), decode(QUEUES)), (Due::Closes, Due::Queues));
        assert_eq!(decode(HISTORY), Due::History);
        assert_eq!(decode(PARTINGS), Due::Partings);
    }
}
