//! Records of a succession, as another process might send them.

use crate::bus::Name;
use crate::reactor::{Conn, CrossesOut, Publication};
use crate::succession::wire;
use std::sync::Arc;

/// Reads bytes as each kind of record: whatever they are, nothing panics, and no memory is taken
/// for a length that is only claimed. How many kinds they may be.
///
/// # Panics
/// If something is read that would be written otherwise, so that it could not have been meant.
pub fn read_records(body: &[u8]) -> usize {
    let mut kinds = 0;
    if let Ok((endpoints, listeners, bus)) = wire::read_hello(body) {
        kinds += 1;
        assert_eq!(wire::hello(&endpoints, listeners as usize, bus.as_deref()), body);
    }
    if let Ok(bus) = wire::read_lane(body) {
        kinds += 1;
        assert_eq!(wire::lane(bus.as_deref()), body);
    }
    if let Ok((number, taken)) = wire::read_answer(body) {
        kinds += 1;
        assert_eq!(wire::answer(number, taken), body);
    }
    for count in 0..4 {
        if let Ok(takes) = wire::read_ready(body, count) {
            kinds += 1;
            assert_eq!(takes.len(), count);
        }
    }
    // Its seam is joined to a lane that there is, and so is not among what would be written.
    if let Ok((number, carried, seam)) = wire::read_connection(body) {
        kinds += 1;
        let written = wire::connection(number, &carried);
        assert!(seam.is_some() || written == body);
    }
    if let Some(written) = published_again(body) {
        kinds += 1;
        // Whether it may be compressed means nothing where it never is, as of a Ping.
        assert_eq!(published_again(&written).as_ref(), Some(&written));
        assert_eq!(written.len(), body.len());
    }
    kinds
}

/// What is read as a message, written.
fn published_again(body: &[u8]) -> Option<Vec<u8>> {
    let of = wire::read_published(body).ok()?;
    let what = Publication::new(&of.message, Some(Conn::from_bits(of.except)), of.manner);
    let (topic, what) = (Name::from(of.topic), Arc::new(what));
    Some(wire::published(&CrossesOut { number: of.number, topic, what }))
}

#[cfg(test)]
mod tests {
    use super::read_records;

    #[test]
    fn fuzzing_begins_with_records_of_each_kind() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/succession");
        for seed in std::fs::read_dir(seeds).expect("seeds") {
            let seed = seed.expect("a file").path();
            let body = std::fs::read(&seed).expect("a seed");
            assert_eq!(read_records(&body), 1, "{}", seed.display());
        }
    }
}
