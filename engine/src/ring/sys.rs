//! io_uring as the kernel has it: the calls and constants that the binding lacks or hides.
//!
//! The binding's `submit*` ask for completions only when they wait for some, and do not remember
//! a registered ring descriptor. Under `DEFER_TASKRUN` nothing completes unless it is asked for,
//! so the one call per turn is made here.

use super::Errno;
use io_uring::squeue;
use io_uring::types::SubmitArgs;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

pub(super) use io_uring::EnterFlags;

/// `IORING_REGISTER_RING_FDS` (5.18).
const REGISTER_RING_FDS: u32 = 20;
/// `IORING_UNREGISTER_RING_FDS` (5.18).
const UNREGISTER_RING_FDS: u32 = 21;

/// Codes that `REGISTER_PROBE` knows operations by, of those the binding does not name.
pub(super) mod op {
    /// `IORING_OP_FIXED_FD_INSTALL` (6.8).
    pub(crate) const FIXED_FD_INSTALL: u8 = io_uring::opcode::FixedFdInstall::CODE;
    /// `IORING_OP_MSG_RING` (5.18).
    pub(crate) const MSG_RING: u8 = io_uring::opcode::MsgRingData::CODE;
}

/// `IORING_ACCEPT_POLL_FIRST` (6.10).
const ACCEPT_POLL_FIRST: u16 = 4;

/// Lets an accept wait for a connection before it looks for one: an accept that finds none has
/// made a socket for nothing. The binding has no name for it.
pub(super) fn poll_first(accept: &mut squeue::Entry) {
    // `struct io_uring_sqe`: a byte each for the opcode and the flags, then `ioprio`.
    const IOPRIO: usize = 2;
    // SAFETY: an entry is a `struct io_uring_sqe` of 64 bytes and nothing else (`repr(C)`), and
    // ours alone; any two bytes are valid there.
    unsafe {
        let ioprio = std::ptr::from_mut(accept).cast::<u8>().add(IOPRIO).cast::<[u8; 2]>();
        ioprio.write(ACCEPT_POLL_FIRST.to_ne_bytes());
    }
}

/// `SOCKET_URING_OP_GETSOCKOPT` (6.7), of `SOL_SOCKET` alone.
const GETSOCKOPT: u32 = 2;

/// Makes an operation that would set an option of a socket one that reads it into the same memory:
/// the result is its length. The binding has only the other.
pub(super) fn read_option(set: &mut squeue::Entry) {
    // `struct io_uring_sqe`: opcode, flags, `ioprio`, `fd`, then `cmd_op`.
    const CMD_OP: usize = 8;
    // SAFETY: an entry is a `struct io_uring_sqe` of 64 bytes and nothing else (`repr(C)`), and
    // ours alone; any four bytes are valid there.
    unsafe {
        let cmd_op = std::ptr::from_mut(set).cast::<u8>().add(CMD_OP).cast::<[u8; 4]>();
        cmd_op.write(GETSOCKOPT.to_ne_bytes());
    }
}

/// Who has connected to a Unix socket, of an ordinary descriptor. rustix takes no process id of 0,
/// which the kernel tells of a process that is not in our namespace.
pub(super) fn peer_credentials(socket: BorrowedFd<'_>) -> Option<libc::ucred> {
    let mut credentials = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and there is room for so many bytes, any of which are valid.
    let result = unsafe {
        let (level, name) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        let at = (&raw mut credentials).cast();
        libc::getsockopt(socket.as_raw_fd(), level, name, at, &raw mut len)
    };
    (result == 0 && len as usize == size_of::<libc::ucred>()).then_some(credentials)
}

/// For how many milliseconds TCP has put nothing new on the wire of what the peer has not had room
/// for; `None` when there is no such thing, or the socket is none of TCP. What is sent then has
/// room that the peer's window, or its acknowledgements, have made: so the peer has taken what was
/// before it. A probe of a window that is shut carries no data and does not count
/// (`tcp_xmit_probe_skb`). What is sent again since nobody has acknowledged it does: then it was
/// new no later than the time that is waited for an acknowledgement, which doubles with each
/// (RFC 6298 §5.5), before that.
pub(super) fn progress(socket: BorrowedFd<'_>) -> Option<u64> {
    // SAFETY: a struct of numbers, of which any are valid.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and there is room for so many bytes. What an older kernel
    // does not know stays zero: then nothing waits.
    let result = unsafe {
        let at = (&raw mut info).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, at, &raw mut len)
    };
    let again = info.tcpi_retransmits > 0 || info.tcpi_retrans > 0 || info.tcpi_lost > 0;
    let before = if again { info.tcpi_rto / 1_000 } else { 0 };
    let waits = result == 0 && info.tcpi_notsent_bytes > 0;
    waits.then_some(u64::from(info.tcpi_last_data_sent) + u64::from(before))
}

/// `struct io_uring_rsrc_update`, as `REGISTER_RING_FDS` takes it.
#[repr(C)]
struct RsrcUpdate {
    offset: u32,
    resv: u32,
    data: u64,
}

/// How `enter` names the ring.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ring {
    /// By its descriptor.
    Fd(RawFd),
    /// By its index among the thread's registered rings: saves the lookup of the descriptor.
    Registered(u32),
}

fn last_errno() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// `io_uring_enter(2)` with `EXT_ARG`. Returns how many entries were submitted.
pub(super) fn enter(
    ring: Ring,
    to_submit: u32,
    min_complete: u32,
    flags: EnterFlags,
    args: &SubmitArgs<'_, '_>,
) -> Result<u32, Errno> {
    let flags = flags | EnterFlags::EXT_ARG;
    let (fd, flags) = match ring {
        Ring::Fd(fd) => (fd, flags),
        Ring::Registered(index) => (index as i32, flags | EnterFlags::REGISTERED_RING),
    };
    // SAFETY: `args` is `struct io_uring_getevents_arg` (it is transparent) and outlives the call,
    // as does the timespec it borrows. The memory that submitted entries refer to is the business
    // of who pushed them.
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_enter,
            fd,
            to_submit,
            min_complete,
            flags.bits(),
            std::ptr::from_ref(args),
            size_of::<SubmitArgs<'_, '_>>(),
        )
    };
    if result < 0 { Err(last_errno()) } else { Ok(result as u32) }
}

fn register_ring(fd: RawFd, opcode: u32, update: &mut RsrcUpdate) -> Result<(), Errno> {
    // SAFETY: `update` is one live `struct io_uring_rsrc_update`, as both opcodes want.
    let result = unsafe {
        libc::syscall(libc::SYS_io_uring_register, fd, opcode, std::ptr::from_mut(update), 1u32)
    };
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

/// Registers the ring with the calling thread, which alone may use the index.
pub(super) fn register_ring_fd(fd: RawFd) -> Result<u32, Errno> {
    let mut update = RsrcUpdate { offset: u32::MAX, resv: 0, data: fd as u64 };
    register_ring(fd, REGISTER_RING_FDS, &mut update)?;
    Ok(update.offset)
}

/// Undoes it: the thread would else keep the ring alive until it ends.
pub(super) fn unregister_ring_fd(fd: RawFd, index: u32) -> Result<(), Errno> {
    let mut update = RsrcUpdate { offset: index, resv: 0, data: 0 };
    register_ring(fd, UNREGISTER_RING_FDS, &mut update)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernels_sizes() {
        assert_eq!(size_of::<RsrcUpdate>(), 16);
        assert_eq!((size_of::<squeue::Entry>(), align_of::<squeue::Entry>()), (64, 8));
        assert_eq!(size_of::<SubmitArgs<'_, '_>>(), 24);
        assert_eq!(size_of::<io_uring::types::BufRingEntry>(), 16);
        assert_eq!((op::MSG_RING, op::FIXED_FD_INSTALL), (40, 54));
    }
}
