//! Why io_uring was refused, and what to do about it.

use super::Errno;
use rustix::process::{Resource, getrlimit};
use std::fs;

/// The kernel lacks, or forbids, what the engine stands on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refused {
    /// What the call said.
    pub errno: Errno,
    /// The call that was refused.
    pub call: &'static str,
    /// For people: the cause as far as it can be seen from here, and the remedy.
    pub text: String,
    /// Memory has run out: nothing forbids io_uring.
    pub out_of_memory: bool,
}

/// What can be read of the policies that forbid io_uring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Policy {
    /// `/proc/sys/kernel/io_uring_disabled`: 0 allowed, 1 for a group only, 2 for nobody.
    disabled: Option<u32>,
    /// `Seccomp` of `/proc/self/status`: 2 is a filter.
    seccomp: Option<u32>,
    /// KiB of `RLIMIT_MEMLOCK`, where it is one: not without bounds, and not for CAP_IPC_LOCK.
    memlock: Option<u64>,
}

/// What the kernel counts as locked memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Locked {
    /// KiB of each ring.
    pub(super) ring: u64,
    pub(super) rings: u64,
}

/// `CAP_IPC_LOCK`, as a bit of `CapEff`.
const IPC_LOCK: u64 = 1 << 14;

impl Policy {
    fn read() -> Self {
        let number = |text: &str| text.trim().parse().ok();
        let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
        let caps = field("CapEff:").and_then(|caps| u64::from_str_radix(caps.trim(), 16).ok());
        let memlock = getrlimit(Resource::Memlock).current.map(|bytes| bytes >> 10);
        Self {
            disabled: disabled.as_deref().and_then(number),
            seccomp: field("Seccomp:").and_then(number),
            memlock: memlock.filter(|_| caps.is_none_or(|caps| caps & IPC_LOCK == 0)),
        }
    }
}

impl Refused {
    /// A refusal by `call`, explained from what this system says about itself.
    pub(super) fn new(call: &'static str, errno: Errno) -> Self {
        Self::explained(call, errno, Policy::read(), None)
    }

    /// The same refusal, now that it is known what all rings together take.
    pub(super) fn taking(self, locked: Locked) -> Self {
        if self.errno != Errno::NOMEM {
            return self;
        }
        Self::explained(self.call, self.errno, Policy::read(), Some(locked))
    }

    fn explained(call: &'static str, errno: Errno, policy: Policy, locked: Option<Locked>) -> Self {
        let locked = locked.filter(|_| errno == Errno::NOMEM && call != MMAP);
        let (text, forbidden) = match locked.zip(policy.memlock) {
            Some((Locked { ring, rings }, limit)) if limit < ring * rings => {
                let all = ring * rings;
                let text = format!(
                    "{call} was refused ({errno}): RLIMIT_MEMLOCK is {limit} KiB for all \
                     processes of a user; each reactor takes {ring} KiB, all {rings} take {all}; \
                     raise it (ulimit -l, LimitMEMLOCK=) or use fewer reactors"
                );
                (text, true)
            }
            _ => (explain(call, errno, policy), errno != Errno::NOMEM),
        };
        Self { errno, call, text, out_of_memory: !forbidden }
    }

    /// The kernel has io_uring, but lacks something that the engine cannot do without.
    pub(super) fn lacking(what: &'static str) -> Self {
        let text = format!("io_uring lacks {what}: {OLD}");
        Self { errno: Errno::NOSYS, call: what, text, out_of_memory: false }
    }
}

/// The call that makes memory, for rings and buffers.
pub(super) const MMAP: &str = "mmap";
const OLD: &str = "the kernel is too old; Linux 6.1 or later is required";
/// In a profile that forbids it.
const CALLS: &str = "io_uring_setup, io_uring_enter and io_uring_register";

fn explain(call: &str, errno: Errno, policy: Policy) -> String {
    let filtered = policy.seccomp == Some(2);
    let seccomp = || {
        format!(
            "a seccomp filter forbids it; allow {CALLS} in the container's profile (docker: \
             --security-opt seccomp=FILE, Kubernetes: seccompProfile)"
        )
    };
    let cause = match errno {
        Errno::NOSYS if filtered => {
            format!(
                "a seccomp filter forbids it (allow {CALLS}), or the kernel was built without \
                 CONFIG_IO_URING"
            )
        }
        Errno::NOSYS => "the kernel was built without CONFIG_IO_URING, or is older than 5.1; \
            Linux 6.1 or later is required"
            .into(),
        Errno::PERM | Errno::ACCESS => match policy.disabled {
            Some(2) => "the sysctl kernel.io_uring_disabled is 2, which forbids it to everyone; \
                set it to 0"
                .into(),
            Some(1) => "the sysctl kernel.io_uring_disabled is 1: only CAP_SYS_ADMIN and the \
                group of kernel.io_uring_group are allowed; join that group or set the sysctl to 0"
                .into(),
            _ if filtered => seccomp(),
            _ => format!(
                "a security policy (seccomp, SELinux, the container runtime) forbids it; allow \
                 {CALLS}"
            ),
        },
        Errno::INVAL => OLD.into(),
        Errno::MFILE => "the process has too many open files; raise RLIMIT_NOFILE (ulimit -n, \
            LimitNOFILE= of systemd)"
            .into(),
        Errno::NFILE => "the system has too many open files; raise the sysctl fs.file-max".into(),
        Errno::NOMEM => match policy.memlock.filter(|_| call != MMAP) {
            Some(limit) => format!(
                "memory of the process (RLIMIT_AS), of its cgroup, or RLIMIT_MEMLOCK ({limit} KiB \
                 for all processes of a user); raise it, or use fewer reactors"
            ),
            None => "memory of the process (RLIMIT_AS) or of its cgroup has run out; raise it, or \
                use fewer or smaller buffers or fewer reactors"
                .into(),
        },
        Errno::AGAIN => "the kernel could not start a thread for the ring; raise RLIMIT_NPROC or \
            the pids limit of the cgroup, or do without sqpoll"
            .into(),
        _ => "not expected of this call".into(),
    };
    format!("{call} was refused ({errno}): {cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_its_cause_and_its_remedy() {
        let open = Policy { disabled: Some(0), seccomp: Some(0), memlock: None };
        let filtered = Policy { seccomp: Some(2), ..open };
        let table = [
            (Errno::NOSYS, open, "CONFIG_IO_URING"),
            (Errno::NOSYS, filtered, "seccomp filter"),
            (Errno::PERM, Policy { disabled: Some(2), ..open }, "set it to 0"),
            (Errno::PERM, Policy { disabled: Some(1), ..open }, "kernel.io_uring_group"),
            (Errno::PERM, filtered, "seccomp="),
            (Errno::PERM, Policy { disabled: Some(2), ..filtered }, "io_uring_disabled"),
            (Errno::PERM, open, "security policy"),
            (Errno::PERM, Policy::default(), "security policy"),
            (Errno::ACCESS, open, "security policy"),
            (Errno::INVAL, open, "6.1"),
            (Errno::MFILE, open, "RLIMIT_NOFILE"),
            (Errno::NFILE, open, "fs.file-max"),
            (Errno::NOMEM, open, "RLIMIT_AS"),
            (Errno::NOMEM, Policy { memlock: Some(64), ..open }, "RLIMIT_MEMLOCK (64 KiB"),
            (Errno::AGAIN, open, "RLIMIT_NPROC"),
        ];
        for (errno, policy, wanted) in table {
            let text = explain("io_uring_setup", errno, policy);
            assert!(text.contains(wanted), "{errno:?} {policy:?}: {text}");
            assert!(text.starts_with("io_uring_setup was refused ("), "{text}");
            assert!(!text.contains("  "), "{text}");
            assert!(text.len() < 248, "longer than C can take: {} {text}", text.len());
        }
    }

    #[test]
    fn locked_memory_is_the_cause_where_there_is_too_little_of_it() {
        let policy = |memlock| Policy { memlock, ..Policy::default() };
        let told = |call, memlock| {
            let locked = Some(Locked { ring: 100, rings: 96 });
            Refused::explained(call, Errno::NOMEM, policy(memlock), locked)
        };
        let refused = told("io_uring_register(PBUF_RING)", Some(8_192));
        assert!(!refused.out_of_memory);
        for part in ["is 8192 KiB", "takes 100 KiB", "all 96 take 9600", "LimitMEMLOCK"] {
            assert!(refused.text.contains(part), "{refused}");
        }
        assert!(refused.text.len() < 248, "longer than C can take: {refused}");
        for (call, memlock) in [("io_uring_setup", None), ("io_uring_setup", Some(9_600))] {
            assert!(told(call, memlock).out_of_memory);
        }
        assert!(told(MMAP, Some(64)).out_of_memory, "a mapping is not locked");
    }

    #[test]
    fn the_policy_of_this_process_can_be_read() {
        assert!(Policy::read().seccomp.is_some(), "/proc/self/status has a Seccomp line");
    }
}
