//! Making a ring: the flags by a ladder, the best rung first.

use super::diagnosis::Refused;
use super::{Errno, sys};
use io_uring::register::Probe;
use io_uring::{Builder, IoUring, opcode};
use std::time::{Duration, Instant};

/// How completions come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskRun {
    /// When we ask for them, on this thread alone: the cheapest.
    Deferred,
    /// At any system call of this thread.
    Cooperative,
    /// A kernel thread submits (`SQPOLL`).
    Polled,
}

/// The flags of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) task_run: TaskRun,
    pub(super) no_sqarray: bool,
}

/// From the best to the least that is enough. `SINGLE_ISSUER` came with 6.0, as multishot receive
/// did, which no probe shows: so a kernel that takes it has both.
pub(super) const LADDER: [Flags; 3] = [
    Flags { task_run: TaskRun::Deferred, no_sqarray: true },
    Flags { task_run: TaskRun::Deferred, no_sqarray: false },
    Flags { task_run: TaskRun::Cooperative, no_sqarray: false },
];

/// The same with a submitting kernel thread.
pub(super) const LADDER_SQPOLL: [Flags; 2] = [
    Flags { task_run: TaskRun::Polled, no_sqarray: true },
    Flags { task_run: TaskRun::Polled, no_sqarray: false },
];

/// Milliseconds without work after which the submitting thread sleeps.
const SQPOLL_IDLE_MS: u32 = 50;

impl Flags {
    /// A ring with exactly these flags. `told`: a flag in its memory says when there is something
    /// to be asked for, so that looking for it takes no system call.
    pub(super) fn build(self, sq: u32, cq: u32, told: bool) -> Result<IoUring, Errno> {
        let mut builder: Builder = IoUring::builder();
        builder.dontfork().setup_clamp().setup_cqsize(cq).setup_submit_all();
        builder.setup_single_issuer();
        match self.task_run {
            TaskRun::Deferred => builder.setup_defer_taskrun(),
            TaskRun::Cooperative => builder.setup_coop_taskrun(),
            TaskRun::Polled => builder.setup_sqpoll(SQPOLL_IDLE_MS),
        };
        if told && self.task_run != TaskRun::Polled {
            builder.setup_taskrun_flag();
        }
        if self.no_sqarray {
            builder.setup_no_sqarray();
        }
        builder.build(sq).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

/// For how long memory that a process has just left is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Tries again for a while when there is no memory: the kernel takes rings apart in its own time,
/// and what they had locked counts until then, also when their process has ended.
pub(super) fn patiently<T>(mut call: impl FnMut() -> Result<T, Refused>) -> Result<T, Refused> {
    let start = Instant::now();
    loop {
        match call() {
            Err(refused) if refused.errno == Errno::NOMEM && start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

/// KiB that a ring has locked: its two queues, and the rings that buffers are provided in. Whole
/// pages; Linux counts them from 6.13 on, and did before 5.12.
pub(super) fn locked(sq: u32, cq: u32, buffers: [u16; 2]) -> u64 {
    let pages = |bytes: u64| bytes.div_ceil(4 << 10) * 4;
    let (sq, cq) = (u64::from(sq), u64::from(cq));
    // `struct io_rings`, then 16 bytes per completion, and 64 per submission.
    let rings: u64 = buffers.iter().map(|&count| pages(u64::from(count) * 16)).sum();
    pages(128 + cq * 16) + pages(sq * 64) + rings
}

/// A ring by the highest rung that the kernel takes. Belongs to the calling thread.
pub(super) fn build(
    sqpoll: bool,
    sq: u32,
    cq: u32,
    told: bool,
) -> Result<(IoUring, Flags), Refused> {
    let ladder: &[Flags] = if sqpoll { &LADDER_SQPOLL } else { &LADDER };
    let mut refusal = Errno::INVAL;
    for &flags in ladder {
        match flags.build(sq, cq, told) {
            Ok(ring) => return Ok((ring, flags)),
            // An unknown flag; all other refusals would be the same on the next rung.
            Err(Errno::INVAL) => {}
            Err(errno) => {
                refusal = errno;
                break;
            }
        }
    }
    Err(Refused::new("io_uring_setup", refusal))
}

/// Operations that nothing works without.
const REQUIRED: [(u8, &str); 7] = [
    (opcode::Accept::CODE, "IORING_OP_ACCEPT"),
    (opcode::RecvMulti::CODE, "IORING_OP_RECV"),
    (opcode::Send::CODE, "IORING_OP_SEND"),
    (opcode::SendMsg::CODE, "IORING_OP_SENDMSG"),
    (opcode::AsyncCancel2::CODE, "IORING_OP_ASYNC_CANCEL"),
    (opcode::Close::CODE, "IORING_OP_CLOSE"),
    (opcode::Read::CODE, "IORING_OP_READ"),
];

/// What else the kernel has, of what is used when it is there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Optional {
    /// `FIXED_FD_INSTALL`: a direct descriptor can be made an ordinary one for a moment.
    pub(super) install: bool,
    /// `MSG_RING`.
    pub(super) msg_ring: bool,
    /// `IORING_FEAT_MIN_TIMEOUT`: a wait can gather completions.
    pub(super) min_wait: bool,
    /// `IORING_ACCEPT_POLL_FIRST`.
    pub(super) poll_first: bool,
}

/// Checks that what is required is there.
pub(super) fn check(ring: &IoUring) -> Result<Optional, Refused> {
    let params = ring.params();
    if !params.is_feature_ext_arg() {
        return Err(Refused::lacking("IORING_FEAT_EXT_ARG"));
    }
    if !params.is_feature_nodrop() {
        return Err(Refused::lacking("IORING_FEAT_NODROP"));
    }
    let mut probe = Probe::new();
    ring.submitter()
        .register_probe(&mut probe)
        .map_err(|error| refused("io_uring_register(PROBE)", &error))?;
    for (code, name) in REQUIRED {
        if !probe.is_supported(code) {
            return Err(Refused::lacking(name));
        }
    }
    Ok(Optional {
        install: probe.is_supported(sys::op::FIXED_FD_INSTALL),
        msg_ring: probe.is_supported(sys::op::MSG_RING),
        min_wait: params.is_feature_min_timeout(),
        // No bit of its own, but of the same Linux, 6.10.
        poll_first: params.is_feature_recvsend_bundle(),
    })
}

/// A refusal from an error of the binding.
pub(super) fn refused(call: &'static str, error: &std::io::Error) -> Refused {
    Refused::new(call, Errno::from_io_error(error).unwrap_or(Errno::IO))
}
