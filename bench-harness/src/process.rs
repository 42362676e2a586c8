//! What a process, or the calling thread, uses: from `/proc`.

use crate::error::{Error, Result};
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::Duration;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all its threads, those that ended too. Ticks of 10 ms.
    pub cpu: Duration,
    /// The part of `cpu` outside the kernel.
    pub user: Duration,
    /// The part of `cpu` inside the kernel.
    pub system: Duration,
    /// Time its living threads had a CPU, in nanoseconds: for what is shorter than a tick.
    pub running: Duration,
    /// Context switches of its living threads by waiting.
    pub voluntary_switches: u64,
    /// Context switches of its living threads by being preempted.
    pub involuntary_switches: u64,
    /// Time its living threads were ready to run while something else had the CPU.
    pub kept_waiting: Duration,
}

/// Reads the usage of a process.
pub fn usage(pid: u32) -> Result<Usage> {
    let stat = read(pid, "stat")?;
    let (user, system) =
        times(&stat).ok_or_else(|| Error::Server(format!("/proc/{pid}/stat: {stat}")))?;
    let mut usage = Usage { cpu: user + system, user, system, ..Usage::default() };
    let path = format!("/proc/{pid}/task");
    for task in fs::read_dir(&path).map_err(Error::io(path.as_str()))?.flatten() {
        // A thread may end between the listing and the reading.
        let Ok(status) = fs::read_to_string(task.path().join("status")) else { continue };
        let Ok(schedstat) = fs::read_to_string(task.path().join("schedstat")) else { continue };
        usage.voluntary_switches += field(&status, "voluntary_ctxt_switches").unwrap_or(0);
        usage.involuntary_switches += field(&status, "nonvoluntary_ctxt_switches").unwrap_or(0);
        usage.running += nanoseconds(&schedstat, 0);
        usage.kept_waiting += nanoseconds(&schedstat, 1);
    }
    Ok(usage)
}

/// Whether a process is there and has not ended: a zombie has.
pub fn is_alive(pid: u32) -> bool {
    let Ok(stat) = read(pid, "stat") else { return false };
    let state = stat.rsplit_once(')').and_then(|(_, fields)| fields.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Resident memory (`VmRSS`) of a process, in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let status = read(pid, "status")?;
    let kib = field(&status, "VmRSS").ok_or_else(|| Error::Server(format!("{pid} has ended")))?;
    Ok(kib * 1024)
}

/// What the calling thread has used so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadUsage {
    /// CPU time, in nanoseconds.
    pub cpu: Duration,
    /// Its part outside the kernel. Ticks of 10 ms.
    pub user: Duration,
    /// Its part inside the kernel. Ticks of 10 ms.
    pub system: Duration,
    /// Time it was ready to run while something else had the CPU.
    pub kept_waiting: Duration,
}

impl ThreadUsage {
    /// Reads that of the calling thread.
    pub fn read() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (user, system) = times(&read("/proc/thread-self/stat")).unwrap_or_default();
        let kept_waiting = nanoseconds(&read("/proc/thread-self/schedstat"), 1);
        Self { cpu: thread_cpu(), user, system, kept_waiting }
    }

    /// What was used since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            kept_waiting: self.kept_waiting.saturating_sub(before.kept_waiting),
        }
    }
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
fn times(stat: &str) -> Option<(Duration, Duration)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(14 - 3);
    let per_second = rustix::param::clock_ticks_per_second();
    let mut time = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(Duration::from_nanos(ticks * 1_000_000_000 / per_second))
    };
    Some((time()?, time()?))
}

/// A field of `schedstat`: time on a CPU, time waiting for one (the kernel's sched-stats.rst).
fn nanoseconds(schedstat: &str, index: usize) -> Duration {
    let field = schedstat.split_ascii_whitespace().nth(index);
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
        let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second();
        let right = (Duration::from_nanos(150 * tick), Duration::from_nanos(50 * tick));
        assert_eq!(times(stat), Some(right));
        assert_eq!(times("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_uses_cpu_memory_and_switches() {
        let pid = std::process::id();
        let before = usage(pid).expect("readable");
        let (start, thread) = (thread_cpu(), ThreadUsage::read());
        while thread_cpu() - start < Duration::from_millis(60) {
            std::hint::black_box(());
        }
        std::thread::sleep(Duration::from_millis(1));
        let after = usage(pid).expect("readable");
        let used = ThreadUsage::read().since(&thread);
        assert!(after.cpu - before.cpu >= Duration::from_millis(30), "{before:?} {after:?}");
        assert_eq!(after.cpu, after.user + after.system);
        assert!(used.cpu >= Duration::from_millis(60), "{used:?}");
        assert!(used.user + used.system >= Duration::from_millis(30), "{used:?}");
        assert!(after.voluntary_switches > 0);
        assert_eq!(nanoseconds("5 7000 9\n", 1), Duration::from_micros(7));
        // Of this thread: that of the process is a sum over living threads, and others end.
        assert!(ThreadUsage::read().kept_waiting >= thread.kept_waiting);
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        assert!(resident(pid).expect("readable") >= block.len() as u64);
    }

    #[test]
    fn a_busy_process_is_seen_running() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .expect("it starts");
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let mut running = Duration::ZERO;
        while running < Duration::from_millis(20) && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
            running = usage(child.id()).expect("readable").running;
        }
        child.kill().expect("still there");
        child.wait().expect("a child");
        assert!(running >= Duration::from_millis(20), "{running:?}");
    }

    #[test]
    fn a_process_that_has_ended_is_not_alive() {
        assert!(is_alive(std::process::id()));
        let mut child = std::process::Command::new("true").spawn().expect("it starts");
        let pid = child.id();
        while is_alive(pid) {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.wait().expect("a zombie until now");
        assert!(!is_alive(pid));
    }
}
