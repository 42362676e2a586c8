//! The machine: what it is, CPUs to run on, limits.

use crate::error::{Error, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

/// What figures were measured on.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// The processor, as it calls itself.
    pub cpu: String,
    /// CPUs this process may use.
    pub cpus: usize,
    /// Release of the kernel.
    pub kernel: String,
}

impl Description {
    /// Reads it; what cannot be read is `unknown`.
    pub fn read() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let cpu = model.map_or("unknown", |(_, name)| name.trim()).to_owned();
        let kernel = match read("/proc/sys/kernel/osrelease").trim() {
            "" => "unknown".to_owned(),
            release => release.to_owned(),
        };
        Self { cpu, cpus: std::thread::available_parallelism().map_or(1, usize::from), kernel }
    }
}

/// Binds the calling thread, and what it starts from now on, to one CPU.
pub fn pin(cpu: usize) -> Result<()> {
    let allowed = sched_getaffinity(None).map_err(Error::io("sched_getaffinity"))?;
    if cpu >= CpuSet::MAX_CPU || !allowed.is_set(cpu) {
        return Err(Error::Usage(format!("CPU {cpu} does not exist, or is not for this process")));
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(Error::io(format!("binding to CPU {cpu}")))
}

/// The CPUs this process may run on.
pub fn cpus() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(None).map_err(Error::io("sched_getaffinity"))?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_can_be_bound_to_each_cpu_it_has() {
        for cpu in cpus().expect("readable") {
            let bound = std::thread::spawn(move || pin(cpu).and_then(|()| cpus())).join();
            assert_eq!(bound.expect("no panic").expect("allowed"), [cpu]);
        }
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
