//! The machine: what it is, CPUs to run on, limits.

mod description;

pub use description::Description;

use crate::error::{Error, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// Binds the calling thread, and what it starts from now on, to one CPU.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    if cpu < CpuSet::MAX_CPU {
        set.set(cpu);
    }
    // EINVAL: none of the set exists or is within the process's cpuset.
    sched_setaffinity(None, &set).map_err(|errno| {
        Error::Usage(format!("CPU {cpu} does not exist, or is not for this process: {errno}"))
    })
}

/// The calling thread runs only while no other wants its CPU (`SCHED_IDLE`). A niceness is not
/// enough: a thread of little weight still has the CPU for a slice of milliseconds at a time.
pub fn run_behind_all_others() -> Result<()> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
        .map_err(|error| Error::Usage(format!("SCHED_IDLE: {error:?}")))
}

/// Raises the soft limit of file descriptors so that `count` are possible; children inherit it.
pub fn allow_descriptors(count: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < count) {
        return Err(Error::Usage(format!(
            "{count} file descriptors are needed and the hard limit is {}: raise it (ulimit -Hn) \
             or open fewer connections",
            limit.maximum.unwrap_or_default()
        )));
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).map_err(Error::io("raising the file descriptor limit"))
}

/// Raises the soft limit of file descriptors to the hard one; children inherit it. That also bounds
/// the table of direct descriptors of each io_uring.
pub fn allow_all_descriptors() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(Error::io("raising the file descriptor limit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::thread::sched_getaffinity;

    #[test]
    fn a_thread_can_be_bound_to_a_cpu_and_to_another_one() {
        let allowed = sched_getaffinity(None).expect("readable");
        let cpus: Vec<_> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
        let bound = std::thread::spawn(move || {
            for cpu in cpus {
                pin(cpu).expect("it is allowed");
                let set = sched_getaffinity(None).expect("readable");
                assert!(set.is_set(cpu) && set.count() == 1);
            }
        });
        bound.join().expect("all were allowed");
        assert!(pin(CpuSet::MAX_CPU).is_err());
    }

    #[test]
    fn descriptors_are_allowed_up_to_the_hard_limit() {
        allow_descriptors(64).expect("few");
        if getrlimit(Resource::Nofile).maximum.is_some() {
            assert!(allow_descriptors(u64::MAX - 1).is_err());
        }
    }
}
