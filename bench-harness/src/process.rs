//! What a process uses, from `/proc`.

use crate::error::{Error, Result};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Duration;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all its threads, those that ended too. Ticks of 10 ms.
    pub cpu: Duration,
    /// Context switches of its living threads, by waiting or by being preempted.
    pub context_switches: u64,
    /// Time its living threads were ready to run while something else had the CPU.
    pub kept_waiting: Duration,
}

/// Reads the usage of a process.
pub fn usage(pid: u32) -> Result<Usage> {
    let stat = read(pid, "stat")?;
    let cpu = cpu(&stat).ok_or_else(|| Error::Server(format!("/proc/{pid}/stat: {stat}")))?;
    let mut usage = Usage { cpu, context_switches: 0, kept_waiting: Duration::ZERO };
    let path = format!("/proc/{pid}/task");
    for task in fs::read_dir(&path).map_err(Error::io(path.as_str()))?.flatten() {
        // A thread may end between the listing and the reading.
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        let Ok(schedstat) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        usage.context_switches += field(&status, "voluntary_ctxt_switches").unwrap_or(0);
        usage.context_switches += field(&status, "nonvoluntary_ctxt_switches").unwrap_or(0);
        usage.kept_waiting += waited(&schedstat);
    }
    Ok(usage)
}

/// Time the calling thread was ready to run while something else had the CPU.
pub fn thread_kept_waiting() -> Duration {
    waited(&fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default())
}

/// Resident memory (`VmRSS`) of a process, in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let status = read(pid, "status")?;
    let kib = field(&status, "VmRSS").ok_or_else(|| Error::Server(format!("{pid} has ended")))?;
    Ok(kib * 1024)
}

/// CPU time of the calling thread.
pub fn thread_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

fn read(pid: u32, file: &str) -> Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(Error::io(format!("{path} (has the server ended?)")))
}

/// utime and stime, proc_pid_stat(5): fields 14 and 15. The name of the program, field 2, is in
/// parentheses and may contain anything.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(14 - 3);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let ticks = ticks()? + ticks()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Some(Duration::from_nanos(ticks * 1_000_000_000 / per_second))
}

/// The second field of `schedstat`, in nanoseconds (the kernel's sched-stats.rst).
fn waited(schedstat: &str) -> Duration {
    let field = schedstat.split_ascii_whitespace().nth(1);
    Duration::from_nanos(field.and_then(|field| field.parse().ok()).unwrap_or(0))
}

/// The number of a line `name: number unit`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_does_not_confuse() {
        let stat = "7 (a) R 1 (b)) S 1 7 7 0 -1 4194304 1 2 3 4 150 50 0 0 20 0 1 0 9 1 1";
        let ticks = rustix::param::clock_ticks_per_second();
        assert_eq!(cpu(stat), Some(Duration::from_nanos(200 * 1_000_000_000 / ticks)));
        assert_eq!(cpu("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_uses_cpu_memory_and_switches() {
        let pid = std::process::id();
        let before = usage(pid).expect("readable");
        let start = thread_cpu();
        while thread_cpu() - start < Duration::from_millis(60) {
            std::hint::black_box(());
        }
        std::thread::sleep(Duration::from_millis(1));
        let after = usage(pid).expect("readable");
        assert!(after.cpu - before.cpu >= Duration::from_millis(30), "{before:?} {after:?}");
        assert!(after.context_switches > 0);
        assert_eq!(waited("5 7000 9\n"), Duration::from_micros(7));
        assert!(after.kept_waiting >= before.kept_waiting);
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(resident(pid).expect("readable") >= block.len() as u64);
    }
}
