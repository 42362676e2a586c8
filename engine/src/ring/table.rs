//! How many sockets a ring can have.

use super::diagnosis::Refused;
use super::queue::Queue;
use rustix::process::{Resource, getrlimit};

/// Slots beyond `sockets_max`: accepts that are under way when the reactor stops them. Without a
/// slot the kernel would drop the connection.
const RESERVE: u32 = 256;
/// `IORING_MAX_FIXED_FILES`.
const TABLE_MAX: u32 = 1 << 20;
/// Ordinary descriptors left to the host.
const HOST: u32 = 64;

/// Registers a table of direct descriptors, unless sockets are ordinary ones. Returns the number
/// of sockets that there is room for.
pub(super) fn register(queue: &Queue, wanted: u32, direct: bool) -> Result<u32, Refused> {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    if !direct {
        return Ok(wanted.min(limit.saturating_sub(HOST)).max(1));
    }
    let (table, sockets) = size(wanted, limit);
    queue.register_files(table)?;
    Ok(sockets)
}

/// The size of the table, and how many sockets it is for. The kernel bounds a table by
/// `RLIMIT_NOFILE`, each for itself: direct descriptors do not count together.
fn size(wanted: u32, limit: u32) -> (u32, u32) {
    let table = wanted.saturating_add(RESERVE).min(limit).clamp(1, TABLE_MAX);
    let reserve = RESERVE.min(table / 4);
    (table, wanted.min(table - reserve))
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn the_table_keeps_within_the_limit_and_keeps_a_reserve() {
        assert_eq!(size(1_000, 20_000), (1_256, 1_000));
        assert_eq!(size(65_536, 20_000), (20_000, 19_744));
        assert_eq!(size(1_000, 64), (64, 48));
        assert_eq!(size(1 << 24, u32::MAX), (1 << 20, (1 << 20) - 256));
        assert_eq!(size(2, 20_000), (258, 2));
        assert_eq!(size(1, 1), (1, 1));
    }
}
