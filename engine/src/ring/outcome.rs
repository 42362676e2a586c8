//! What a completion says.

use super::Errno;
use super::op::Op;
use io_uring::cqueue;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

/// Whether other completions of the same operation follow. A receive that has brought no bytes is
/// over, whatever the flag says: kernels have been seen that promise more with the end of a stream,
/// and nothing comes. Whoever waited for it would keep the socket for ever.
pub(super) fn goes_on(op: Option<Op>, entry: &cqueue::Entry) -> bool {
    has_more(op, entry.result(), entry.flags())
}

fn has_more(op: Option<Op>, result: i32, flags: u32) -> bool {
    cqueue::more(flags) && (op != Some(Op::Receive) || result > 0)
}

/// The result of a completion.
pub(super) fn outcome(result: i32) -> Result<u32, Errno> {
    u32::try_from(result).map_err(|_| Errno::from_raw_os_error(result.wrapping_neg()))
}

/// # Safety
/// `fd` must be open, and stay so while it is borrowed.
pub(super) unsafe fn borrow<'a>(fd: i32) -> BorrowedFd<'a> {
    // SAFETY: the caller's promise.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

/// A descriptor by its number, if it can be one: to ask the kernel about.
pub(crate) fn borrow_number<'a>(number: i32) -> Option<BorrowedFd<'a>> {
    // SAFETY: not -1, which is all that the type asks of a number. Whether it is open the kernel
    // says to whoever asks; nothing is read, written or closed through it.
    (number >= 0).then(|| unsafe { BorrowedFd::borrow_raw(number) })
}

/// # Safety
/// `fd` must be open and nobody else's to close.
pub(super) unsafe fn own(fd: i32) -> OwnedFd {
    // SAFETY: the caller's promise.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receive_without_bytes_is_the_last_whatever_the_flag_says() {
        const MORE: u32 = 1 << 1; // IORING_CQE_F_MORE
        assert!(cqueue::more(MORE));
        for (result, expected) in [(5, true), (0, false), (-104, false), (-105, false)] {
            assert_eq!(has_more(Some(Op::Receive), result, MORE), expected, "{result}");
            assert!(!has_more(Some(Op::Receive), result, 0));
        }
        // An accept goes on behind a connection that was gone before it.
        assert!(has_more(Some(Op::Accept), 0, MORE) && has_more(Some(Op::Woken), 0, MORE));
    }
}
