//! Readings of both sides before and after, and what lies between them.

use crate::error::Result;
use crate::process::{self, ThreadUsage, Usage};
use crate::report::{Bottleneck, LoadUse, ServerUse, Sides};
use std::time::Instant;

/// What has been used up to a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) at: Instant,
    pub(crate) server: Option<Usage>,
    pub(crate) thread: ThreadUsage,
}

impl Reading {
    /// Reads the server's process, if it is known, and the calling thread.
    pub(crate) fn take(pid: Option<u32>) -> Result<Self> {
        let server = pid.map(process::usage).transpose()?;
        let thread = ThreadUsage::read();
        Ok(Self { at: Instant::now(), server, thread })
    }
}

/// What was used between two readings for `units` messages, handshakes or deliveries. `threads`:
/// what each thread of the load used meanwhile.
pub(crate) fn between(
    pid: Option<u32>,
    before: &Reading,
    after: &Reading,
    threads: &[ThreadUsage],
    units: u64,
) -> Result<Sides> {
    let seconds = (after.at - before.at).as_secs_f64();
    let units = units.max(1) as f64;
    let mut kept_waiting =
        threads.iter().map(|thread| thread.kept_waiting).max().unwrap_or_default();
    let server = match (pid, before.server, after.server) {
        (Some(pid), Some(before), Some(after)) => {
            kept_waiting = kept_waiting.max(after.kept_waiting.saturating_sub(before.kept_waiting));
            Some(server(&before, &after, seconds, units, process::resident(pid)?))
        }
        _ => None,
    };
    let load = load(threads, seconds, units);
    Ok(Sides {
        server,
        load,
        bottleneck: Bottleneck::judge(server.map(|server| server.cpu), load.cpu),
        disturbed: kept_waiting.as_secs_f64() / seconds,
    })
}

fn server(before: &Usage, after: &Usage, seconds: f64, units: f64, resident: u64) -> ServerUse {
    let share = |time: fn(&Usage) -> std::time::Duration| {
        time(after).saturating_sub(time(before)).as_secs_f64() / seconds
    };
    let rate = |count: fn(&Usage) -> u64| {
        // A thread that has ended takes its switches with it.
        count(after).saturating_sub(count(before)) as f64 / seconds
    };
    let cpu = share(|usage| usage.cpu);
    let voluntary = rate(|usage| usage.voluntary_switches);
    let involuntary = rate(|usage| usage.involuntary_switches);
    ServerUse {
        cpu,
        user: share(|usage| usage.user),
        system: share(|usage| usage.system),
        cpu_us_per_message: cpu * seconds * 1e6 / units,
        resident,
        context_switches_per_second: voluntary + involuntary,
        voluntary_switches_per_second: voluntary,
        involuntary_switches_per_second: involuntary,
    }
}

fn load(threads: &[ThreadUsage], seconds: f64, units: f64) -> LoadUse {
    let sum = |time: fn(&ThreadUsage) -> std::time::Duration| {
        threads.iter().map(time).sum::<std::time::Duration>().as_secs_f64()
    };
    let cpu = sum(|thread| thread.cpu);
    LoadUse {
        threads: threads.len(),
        cpu: cpu / seconds / threads.len().max(1) as f64,
        us_per_message: cpu * 1e6 / units,
        user_us_per_message: sum(|thread| thread.user) * 1e6 / units,
        system_us_per_message: sum(|thread| thread.system) * 1e6 / units,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn differences_are_divided_by_time_and_by_units() {
        let ms = Duration::from_millis;
        let pid = Some(std::process::id());
        let at = Instant::now();
        let usage = |factor: u32| Usage {
            cpu: ms(200) * factor,
            user: ms(50) * factor,
            system: ms(150) * factor,
            running: ms(200) * factor,
            voluntary_switches: 10 * u64::from(factor),
            involuntary_switches: 2 * u64::from(factor),
            kept_waiting: ms(40) * factor,
        };
        let thread =
            ThreadUsage { cpu: ms(100), user: ms(20), system: ms(80), ..Default::default() };
        let idle = ThreadUsage { kept_waiting: ms(60), ..Default::default() };
        let reading = |at, factor| Reading { at, server: Some(usage(factor)), thread };
        let (before, after) = (reading(at, 1), reading(at + ms(400), 3));
        let sides = between(pid, &before, &after, &[thread, idle], 1000).expect("alive");
        let close =
            |found: f64, right: f64| assert!((found - right).abs() < 1e-9, "{found} {right}");
        let server = sides.server.expect("known");
        close(server.cpu, 1.0);
        close(server.user, 0.25);
        close(server.cpu_us_per_message, 400.0);
        close(server.voluntary_switches_per_second, 50.0);
        close(server.involuntary_switches_per_second, 10.0);
        close(server.context_switches_per_second, 60.0);
        close(sides.load.cpu, 0.125);
        close(sides.load.us_per_message, 100.0);
        close(sides.load.system_us_per_message, 80.0);
        close(sides.disturbed, 0.2);
        assert_eq!((sides.load.threads, sides.bottleneck), (2, Bottleneck::Server));
    }
}
