//! Why io_uring was refused, and what to do about it.

use super::Errno;
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
}

/// What can be read of the policies that forbid io_uring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Policy {
    /// `/proc/sys/kernel/io_uring_disabled`: 0 allowed, 1 for a group only, 2 for nobody.
    disabled: Option<u32>,
    /// `Seccomp` of `/proc/self/status`: 2 is a filter.
    seccomp: Option<u32>,
}

impl Policy {
    fn read() -> Self {
        let number = |text: &str| text.trim().parse().ok();
        let disabled = fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let seccomp = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        Self { disabled: disabled.as_deref().and_then(number), seccomp: seccomp.and_then(number) }
    }
}

impl Refused {
    /// A refusal by `call`, explained from what this system says about itself.
    pub(super) fn new(call: &'static str, errno: Errno) -> Self {
        let text = explain(call, errno, Policy::read());
        Self { errno, call, text }
    }

    /// The kernel has io_uring, but lacks something that the engine cannot do without.
    pub(super) fn lacking(what: &'static str) -> Self {
        let text = format!("io_uring lacks {what}: {OLD}");
        Self { errno: Errno::NOSYS, call: what, text }
    }
}

const OLD: &str = "the kernel is too old; Linux 6.1 or later is required";
const SECCOMP: &str = "a seccomp filter forbids it; allow io_uring_setup, io_uring_enter and \
    io_uring_register in the container's profile (docker run --security-opt seccomp=PROFILE, \
    Kubernetes: seccompProfile of type Localhost)";

fn explain(call: &str, errno: Errno, policy: Policy) -> String {
    let filtered = policy.seccomp == Some(2);
    let cause = match errno {
        Errno::NOSYS if filtered => {
            format!("{SECCOMP}; or the kernel was built without CONFIG_IO_URING")
        }
        Errno::NOSYS => "the kernel was built without CONFIG_IO_URING, or is older than 5.1; \
            Linux 6.1 or later is required"
            .into(),
        Errno::PERM | Errno::ACCESS => match policy.disabled {
            Some(2) => "the sysctl kernel.io_uring_disabled is 2, which forbids it to everyone; \
                set it to 0"
                .into(),
            Some(1) => "the sysctl kernel.io_uring_disabled is 1, which allows it only to \
                CAP_SYS_ADMIN and to the group of kernel.io_uring_group; join that group or set \
                the sysctl to 0"
                .into(),
            _ if filtered => SECCOMP.into(),
            _ => "a security policy (seccomp, SELinux, the container runtime) forbids it; allow \
                io_uring_setup, io_uring_enter and io_uring_register"
                .into(),
        },
        Errno::INVAL => OLD.into(),
        Errno::MFILE => "the process has too many open files; raise RLIMIT_NOFILE (ulimit -n, \
            LimitNOFILE= of systemd)"
            .into(),
        Errno::NFILE => "the system has too many open files; raise the sysctl fs.file-max".into(),
        Errno::NOMEM => "memory for the ring could not be had: the memory limit of the process or \
            of its cgroup, or RLIMIT_MEMLOCK on kernels before 5.12; raise it, or use fewer or \
            smaller buffers or fewer reactors"
            .into(),
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
        let open = Policy { disabled: Some(0), seccomp: Some(0) };
        let table = [
            (Errno::NOSYS, open, "CONFIG_IO_URING"),
            (Errno::NOSYS, Policy { seccomp: Some(2), ..open }, "seccomp="),
            (Errno::PERM, Policy { disabled: Some(2), ..open }, "set it to 0"),
            (Errno::PERM, Policy { disabled: Some(1), ..open }, "kernel.io_uring_group"),
            (Errno::PERM, Policy { seccomp: Some(2), ..open }, "seccomp="),
            (Errno::PERM, Policy { disabled: Some(2), seccomp: Some(2) }, "io_uring_disabled"),
            (Errno::PERM, open, "security policy"),
            (Errno::PERM, Policy::default(), "security policy"),
            (Errno::ACCESS, open, "security policy"),
            (Errno::INVAL, open, "6.1"),
            (Errno::MFILE, open, "RLIMIT_NOFILE"),
            (Errno::NFILE, open, "fs.file-max"),
            (Errno::NOMEM, open, "RLIMIT_MEMLOCK"),
            (Errno::AGAIN, open, "RLIMIT_NPROC"),
        ];
        for (errno, policy, wanted) in table {
            let text = explain("io_uring_setup", errno, policy);
            assert!(text.contains(wanted), "{errno:?} {policy:?}: {text}");
            assert!(text.starts_with("io_uring_setup was refused ("), "{text}");
            assert!(!text.contains("  "), "{text}");
        }
    }

    #[test]
    fn the_policy_of_this_process_can_be_read() {
        assert!(Policy::read().seccomp.is_some(), "/proc/self/status has a Seccomp line");
    }
}
