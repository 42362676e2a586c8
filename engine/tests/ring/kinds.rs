//! The ways in which a ring can be made.

use ringws_engine::ring::Tuning;

/// The ways in which a ring can be made, all of which must behave alike.
pub(crate) fn kinds() -> Vec<(&'static str, bool, Tuning)> {
    let plain = Tuning::default();
    vec![
        ("direct", false, plain.clone()),
        ("ordinary", false, Tuning { ordinary: true, ..plain.clone() }),
        ("sqpoll", true, plain.clone()),
        ("tiny queues", false, Tuning { sq_entries: Some(2), cq_entries: Some(4), ..plain }),
    ]
}
