//! How many sockets a ring can have.

use super::diagnosis::Refused;
use super::queue::Queue;
use rustix::process::{Resource, getrlimit};

/// Slots beyond `sockets_max`: connections that are being made, and one accept on each listener,
/// which nobody else may take the last place from.
const RESERVE: u32 = 256;
/// `IORING_MAX_FIXED_FILES`.
const TABLE_MAX: u32 = 1 << 20;
/// Ordinary descriptors left to the host.
const HOST: u32 = 64;

/// Registers a table of direct descriptors, unless sockets are ordinary ones. Returns the number
/// of places, and of sockets that they are for.
pub(super) fn register(
    queue: &Queue,
    wanted: u32,
    listeners: u32,
    direct: bool,
) -> Result<(u32, u32), Refused> {
    if !direct {
        return Ok(ordinary(wanted));
    }
    let (table, sockets) = size(wanted, listeners, limit());
    queue.register_files(table)?;
    Ok((table, sockets))
}

/// The same of ordinary descriptors. Their number is the process's affair: an accept that gets none
/// takes no connection.
pub(super) fn ordinary(wanted: u32) -> (u32, u32) {
    (u32::MAX, wanted.min(limit().saturating_sub(HOST)).max(1))
}

fn limit() -> u32 {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    u32::try_from(limit).unwrap_or(u32::MAX)
}

/// The size of the table, and how many sockets it is for. The kernel bounds a table by
/// `RLIMIT_NOFILE`, each for itself: direct descriptors do not count together.
fn size(wanted: u32, listeners: u32, limit: u32) -> (u32, u32) {
    let reserve = RESERVE.saturating_add(listeners);
    let table = wanted.saturating_add(reserve).min(limit).clamp(1, TABLE_MAX);
    let reserve = reserve.min(table / 4).max(listeners);
    (table, wanted.min(table.saturating_sub(reserve)).max(1))
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn the_table_keeps_within_the_limit_and_keeps_a_reserve() {
        assert_eq!(size(1_000, 0, 20_000), (1_256, 1_000));
        assert_eq!(size(65_536, 4, 20_000), (20_000, 19_740));
        assert_eq!(size(1_000, 1, 64), (64, 48));
        assert_eq!(size(1_000, 40, 64), (64, 24));
        assert_eq!(size(1 << 24, 0, u32::MAX), (1 << 20, (1 << 20) - 256));
        assert_eq!(size(2, 3, 20_000), (261, 2));
        assert_eq!(size(1, 1, 1), (1, 1));
    }
}
