//! What this kernel's io_uring has, for people: asked of the kernel, not of its version.

use super::setup::{self, LADDER, LADDER_SQPOLL, TaskRun};
use super::supply::{Group, Supply};
use super::{Errno, sys};
use io_uring::register::Probe;
use io_uring::types::{DestinationSlot, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname, listen,
    socket_with,
};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::null_mut;
use std::time::Duration;

/// One thing that the engine uses, could use, or needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// As the kernel's headers name it.
    pub name: &'static str,
    /// The first Linux that has it.
    pub kernel_floor: &'static str,
    /// Nothing works without it.
    pub required: bool,
    /// This kernel has it, and lets this process use it.
    pub present: bool,
    /// The engine uses it here, at least when asked to by its configuration.
    pub used: bool,
}

/// Asks the kernel, with rings of its own that are gone afterwards. Costs a few milliseconds.
/// When io_uring is refused altogether nothing is present; `Uring::new` says why.
///
/// On a thread of its own: when a ring has gone, the kernel looks once more at the thread that made
/// it, and what that thread was waiting for (a `recv` with a timeout) fails with `EINTR`.
pub fn table() -> Vec<Feature> {
    std::thread::scope(|scope| match std::thread::Builder::new().spawn_scoped(scope, ask) {
        Ok(thread) => thread.join().unwrap_or_default(),
        Err(_) => ask(),
    })
}

fn ask() -> Vec<Feature> {
    let ring = setup::build(false, 8, 16, false).ok();
    let flags = ring.as_ref().map(|(_, flags)| *flags);
    let ring = ring.as_ref().map(|(ring, _)| ring);
    let mut probe = Probe::new();
    let probed = ring.is_some_and(|ring| ring.submitter().register_probe(&mut probe).is_ok());
    let has = |code: u8| probed && probe.is_supported(code);
    let is = |test: fn(&io_uring::Parameters) -> bool| ring.is_some_and(|ring| test(ring.params()));
    let run = |task_run| flags.is_some_and(|flags| flags.task_run == task_run);
    let builds = |flags: setup::Flags| flags.build(8, 16, false).is_ok();
    let polled = LADDER_SQPOLL.into_iter().any(builds);
    let recv = multishot_receives().is_ok();
    let accept = direct_accepts(false).is_ok();
    let poll_first = direct_accepts(true).is_ok();
    let ring_fds = ring.is_some_and(registers_itself);
    let install = has(sys::op::FIXED_FD_INSTALL);
    let required = |name, kernel_floor, present| Feature {
        name,
        kernel_floor,
        required: true,
        present,
        used: present,
    };
    let optional = |name, kernel_floor, present, used: bool| Feature {
        name,
        kernel_floor,
        required: false,
        present,
        used: present && used,
    };
    vec![
        required("io_uring_setup", "5.1", ring.is_some()),
        required("IORING_FEAT_NODROP", "5.5", is(|params| params.is_feature_nodrop())),
        required("IORING_FEAT_EXT_ARG", "5.11", is(|params| params.is_feature_ext_arg())),
        required("IORING_SETUP_SUBMIT_ALL", "5.18", ring.is_some()),
        required("IORING_OP_ACCEPT into a direct descriptor", "5.19", accept),
        required("IORING_OP_RECV, multishot from a buffer ring", "6.0", recv),
        required("IORING_SETUP_SINGLE_ISSUER", "6.0", ring.is_some()),
        optional("IORING_SETUP_COOP_TASKRUN", "5.19", builds(LADDER[2]), run(TaskRun::Cooperative)),
        optional("IORING_SETUP_DEFER_TASKRUN", "6.1", builds(LADDER[1]), run(TaskRun::Deferred)),
        optional("IORING_SETUP_NO_SQARRAY", "6.6", builds(LADDER[0]), true),
        optional("IORING_SETUP_SQPOLL", "5.13", polled, true),
        optional("IORING_REGISTER_RING_FDS", "5.18", ring_fds, true),
        optional("IORING_OP_SHUTDOWN", "5.11", has(opcode::Shutdown::CODE), install),
        optional("IORING_OP_MSG_RING", "5.18", has(sys::op::MSG_RING), true),
        optional("IORING_OP_FIXED_FD_INSTALL", "6.8", install, true),
        optional("IORING_ACCEPT_POLL_FIRST", "6.10", poll_first, true),
        optional("IORING_FEAT_MIN_TIMEOUT", "6.12", is(|p| p.is_feature_min_timeout()), true),
        optional("IORING_OP_SEND_ZC", "6.0", has(opcode::SendZc::CODE), false),
        optional(
            "IORING_FEAT_RECVSEND_BUNDLE",
            "6.10",
            is(|params| params.is_feature_recvsend_bundle()),
            false,
        ),
        optional("IOU_PBUF_RING_INC", "6.12", ring.is_some_and(consumes_in_parts), false),
    ]
}

fn registers_itself(ring: &IoUring) -> bool {
    let fd = ring.as_raw_fd();
    sys::register_ring_fd(fd).is_ok_and(|index| sys::unregister_ring_fd(fd, index).is_ok())
}

/// Submits `entry` and waits for its first completion.
fn first(ring: &IoUring, entry: squeue::Entry) -> Result<cqueue::Entry, Errno> {
    // SAFETY: the ring is this thread's, and nobody else borrows its queues. The entries made
    // here refer to no memory but registered buffers, which the callers keep.
    let pushed = unsafe { ring.submission_shared().push(&entry) };
    pushed.map_err(|_| Errno::BUSY)?;
    let timespec = Timespec::from(Duration::from_secs(1));
    let args = SubmitArgs::new().timespec(&timespec);
    sys::enter(sys::Ring::Fd(ring.as_raw_fd()), 1, 1, sys::EnterFlags::GETEVENTS, &args)?;
    // SAFETY: no other completion queue of this ring is borrowed: it is this thread's, and here
    // alone is one taken.
    let entry = unsafe { ring.completion_shared().next() };
    entry.ok_or(Errno::TIME)
}

/// A ring for one question.
fn fresh() -> Result<IoUring, Errno> {
    setup::build(false, 8, 16, false).map(|(ring, _)| ring).map_err(|refused| refused.errno)
}

/// A connected pair of Unix sockets by way of a listener, on a name that the kernel picks.
fn listener() -> Result<(OwnedFd, OwnedFd), Errno> {
    let stream = |flags| socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    let server = stream(SocketFlags::CLOEXEC)?;
    bind(&server, &SocketAddrUnix::new_unnamed())?;
    listen(&server, 1)?;
    let client = stream(SocketFlags::CLOEXEC)?;
    connect(&client, &SocketAddrUnix::try_from(getsockname(&server)?)?)?;
    Ok((server, client))
}

/// Whether an accept takes a connection into a direct descriptor that the kernel picks, perhaps one
/// that waits for it before it looks.
fn direct_accepts(poll_first: bool) -> Result<(), Errno> {
    let (server, _client) = listener()?;
    let ring = &fresh()?;
    ring.submitter().register_files_sparse(1).map_err(|_| Errno::INVAL)?;
    let accept = opcode::Accept::new(Fd(server.as_raw_fd()), null_mut(), null_mut());
    let mut accept = accept.file_index(Some(DestinationSlot::auto_target())).build();
    if poll_first {
        sys::poll_first(&mut accept);
    }
    let entry = first(ring, accept)?;
    if entry.result() >= 0 { Ok(()) } else { Err(Errno::INVAL) }
}

/// Whether a multishot receive fills a buffer of a registered ring and stays armed.
pub(super) fn multishot_receives() -> Result<(), Errno> {
    let (server, client) = listener()?;
    let ring = &fresh()?;
    let server = rustix::net::accept(&server)?;
    let mut supply = Supply::register(ring, (2, 64), (2, 64)).map_err(|no| no.errno)?;
    supply.replenish(0);
    rustix::io::write(&client, b"x")?;
    let receive = opcode::RecvMulti::new(Fd(server.as_raw_fd()), Group::Small as u16);
    let entry = first(ring, receive.build())?;
    // The receive is still armed, but finds no buffer from here on: the memory may go.
    for group in Group::ALL {
        ring.submitter().unregister_buf_ring(group as u16).map_err(|_| Errno::INVAL)?;
    }
    let whole = entry.result() == 1 && cqueue::more(entry.flags());
    if whole { Ok(()) } else { Err(Errno::INVAL) }
}

/// Whether a buffer ring may be registered whose buffers are consumed in parts.
fn consumes_in_parts(ring: &IoUring) -> bool {
    const GROUP: u16 = 1;
    let flags = io_uring::types::IOU_PBUF_RING_INC as u16;
    let Ok(map) = super::map::Map::new(16) else { return false };
    let address = map.base().as_ptr() as u64;
    // SAFETY: a page-aligned mapping of one entry, unregistered before it goes.
    unsafe { ring.submitter().register_buf_ring_with_flags(address, 1, GROUP, flags) }.is_ok()
        && ring.submitter().unregister_buf_ring(GROUP).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_what_is_required() {
        let table = table();
        for feature in &table {
            assert!(feature.present || !feature.required, "{feature:?}");
            assert!(feature.present || !feature.used, "{feature:?}");
        }
        let names: std::collections::HashSet<_> = table.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), table.len(), "each once");
    }
}
