//! The kernel's random source.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

/// Fills a block with bytes that nobody can predict.
///
/// # Panics
/// When the system call is forbidden: a filter that allows io_uring but not this is no place to
/// go on without a source of masking keys.
pub(crate) fn fill_random(mut block: &mut [u8]) {
    while !block.is_empty() {
        match getrandom(&mut *block, GetRandomFlags::empty()) {
            Ok(filled) => block = &mut block[filled..],
            Err(Errno::INTR) => {}
            Err(errno) => panic!("getrandom: {errno}"),
        }
    }
}
