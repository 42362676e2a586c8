//! What a server and the kernel have at a moment: memory, counters, CPU time.

use crate::error::{Error, Result};
use crate::process;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a server may take to tell its counters.
const PATIENCE: Duration = Duration::from_secs(10);

/// Memory at a moment, in bytes. What is the kernel's is the whole machine's: both ends of a
/// connection over the loopback interface are in it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// `VmRSS` of the server.
    pub resident: u64,
    /// Open descriptors of the server.
    pub descriptors: u64,
    /// The kernel's objects (`Slab` of /proc/meminfo).
    pub slab: u64,
    /// What the machine has available (`MemAvailable`).
    pub available: u64,
    /// Pages that TCP accounts for (`mem` of /proc/net/sockstat).
    pub tcp: u64,
    /// Sockets of TCP that are in use.
    pub sockets: u64,
}

impl Memory {
    /// Reads it.
    pub(super) fn read(pid: u32) -> Result<Self> {
        let meminfo = file("/proc/meminfo")?;
        let kib = |name: &str| number_behind(&meminfo, name).unwrap_or(0) * 1024;
        let sockstat = file("/proc/net/sockstat")?;
        let tcp = sockstat.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
        let word = |name: &str| {
            let mut words = tcp.split_whitespace().skip_while(|word| *word != name).skip(1);
            words.next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0)
        };
        Ok(Self {
            resident: process::resident(pid)?,
            descriptors: descriptors(pid),
            slab: kib("Slab:"),
            available: kib("MemAvailable:"),
            tcp: word("mem") * 4096,
            sockets: word("inuse"),
        })
    }
}

/// Which of the kernel's objects there are more of than before, most bytes first.
pub(super) fn slabs() -> BTreeMap<String, u64> {
    // Readable by root alone.
    let text = fs::read_to_string("/proc/slabinfo").unwrap_or_default();
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let active: u64 = words.next()?.parse().ok()?;
        let size: u64 = words.nth(1)?.parse().ok()?;
        Some((name, active * size))
    };
    text.lines().skip(2).filter_map(line).collect()
}

/// The difference to `before` in bytes for each of `count`, where that is at least 16.
pub(super) fn slabs_each(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    count: usize,
) -> Vec<(String, f64)> {
    let each = |(name, bytes): (&String, &u64)| {
        let grown = bytes.saturating_sub(before.get(name).copied().unwrap_or(0));
        (name.clone(), grown as f64 / count.max(1) as f64)
    };
    let mut all: Vec<_> = after.iter().map(each).filter(|(_, bytes)| *bytes >= 16.0).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all
}

/// Connections that came and found the backlog full (`ListenOverflows` of /proc/net/netstat).
pub(super) fn backlog_overflows() -> u64 {
    let text = fs::read_to_string("/proc/net/netstat").unwrap_or_default();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else { return 0 };
    let mut both = names.split_whitespace().zip(values.split_whitespace());
    let found = both.find(|(name, _)| *name == "ListenOverflows");
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

/// Open descriptors of a process.
pub(super) fn descriptors(pid: u32) -> u64 {
    fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |all| all.count() as u64)
}

/// The counters of an engine as it tells them to Prometheus: each name with its labels, but for
/// that of the reactor, and the values of all reactors.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters(BTreeMap<String, Vec<f64>>);

impl Counters {
    /// Asks the server.
    pub(super) fn read(server: SocketAddr) -> Result<Self> {
        Self::read_from(server, "/metrics")
    }

    fn read_from(server: SocketAddr, path: &str) -> Result<Self> {
        let what = || Error::io(format!("asking {server} for its counters"));
        let mut stream = TcpStream::connect(server).map_err(what())?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(what())?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(what())?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map_err(what())?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for line in text.lines().filter(|line| line.starts_with("ringws_")) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse() else { continue };
            all.entry(without_reactor(name)).or_default().push(value);
        }
        Self(all)
    }

    /// The sum over all reactors of those whose name begins so.
    pub(super) fn sum(&self, prefix: &str) -> f64 {
        let ours = self.0.iter().filter(|(name, _)| {
            name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        });
        ours.flat_map(|(_, values)| values).sum()
    }

    /// Of each reactor.
    pub(super) fn each(&self, name: &str) -> Vec<f64> {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

/// Bytes that the server has allocated, as its allocator counts them.
pub(super) fn heap(server: SocketAddr) -> Result<u64> {
    Ok(Counters::read_from(server, "/heap")?.sum("ringws_heap_bytes") as u64)
}

fn without_reactor(name: &str) -> String {
    let Some((name, labels)) = name.split_once('{') else { return name.into() };
    let labels: Vec<_> = labels
        .trim_end_matches('}')
        .split(',')
        .filter(|label| !label.is_empty() && !label.starts_with("reactor="))
        .collect();
    if labels.is_empty() { name.into() } else { format!("{name}{{{}}}", labels.join(",")) }
}

fn file(path: &str) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io(path))
}

fn number_behind(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_reactors() {
        let counters = Counters::parse(
            "HTTP/1.1 200 OK\r\n\r\n# HELP ringws_open x\nringws_open{reactor=\"0\"} 3\n\
             ringws_open{reactor=\"1\"} 4\nringws_open_total{reactor=\"0\"} 9\n\
             ringws_refused{reactor=\"0\",reason=\"stop\"} 1\n\
             ringws_refused{reactor=\"0\",reason=\"memory\"} 2\n",
        );
        assert_eq!(counters.sum("ringws_open"), 7.0);
        assert_eq!(counters.each("ringws_open"), [3.0, 4.0]);
        assert_eq!(counters.sum("ringws_refused"), 3.0);
        assert_eq!(counters.sum("ringws_refused{reason=\"memory\"}"), 2.0);
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let pid = std::process::id();
        let memory = Memory::read(pid).expect("readable");
        assert!(memory.resident > 0 && memory.slab > 0 && memory.available > 0, "{memory:?}");
        assert!(descriptors(pid) >= 3);
        let (before, after) = ([("a".into(), 100)].into(), [("a".into(), 260)].into());
        assert_eq!(slabs_each(&before, &after, 10), [("a".to_owned(), 16.0)]);
    }
}
