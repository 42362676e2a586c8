//! What figures were measured on, and with what they were built.

use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What figures were measured on. What cannot be read is `unknown`, or not there.
#[derive(Clone, Debug, Serialize)]
pub struct Description {
    /// The processor, as it calls itself.
    pub cpu: String,
    /// CPUs that are online.
    pub cpus: usize,
    /// Caches of the first CPU, as `L2 1024K`.
    pub caches: Vec<String>,
    /// Memory in bytes.
    pub memory: u64,
    /// Release of the kernel.
    pub kernel: String,
    /// Whether it runs under a hypervisor, as far as the processor tells.
    pub virtual_machine: bool,
    /// What the kernel does about each weakness of the processor.
    pub mitigations: BTreeMap<String, String>,
    /// How the frequency is chosen; absent where the kernel does not choose it.
    pub governor: Option<String>,
    /// The kernel's source of time.
    pub clock: Option<String>,
    /// Runnable tasks in the last minute, before anything was measured.
    pub load_average: Option<f64>,
    /// Version of the Rust compiler.
    pub rustc: Option<String>,
    /// Version of the C compiler.
    pub cc: Option<String>,
    /// Commit of the project, with `+` when files differ from it.
    pub commit: Option<String>,
}

impl Description {
    /// Reads it.
    pub fn read() -> Self {
        let info = read("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        let load = read("/proc/loadavg");
        let load = load.as_deref().and_then(|text| text.split_whitespace().next());
        Self {
            cpu: model.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            cpus: info.lines().filter(|line| line.starts_with("processor")).count(),
            caches: caches(),
            memory: memory(&read("/proc/meminfo").unwrap_or_default()).unwrap_or(0),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into()),
            virtual_machine: flags.split_whitespace().any(|flag| flag == "hypervisor"),
            mitigations: mitigations(),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            clock: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            load_average: load.and_then(|text| text.parse().ok()),
            rustc: said(Command::new(variable("RUSTC", "rustc")).arg("--version")),
            cc: said(Command::new(variable("CC", "cc")).arg("--version")),
            commit: commit(),
        }
    }
}

fn variable(name: &str, default: &str) -> String {
    let value = std::env::var(name).unwrap_or_default();
    value.split_whitespace().next().unwrap_or(default).to_owned()
}

/// The text of a file without the space around it; `None` when there is none.
fn read(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The first line a program prints.
fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().next()?.trim().to_owned()).filter(|line| !line.is_empty())
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
        said(&mut command)
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some();
    Some(if changed { commit + "+" } else { commit })
}

fn mitigations() -> BTreeMap<String, String> {
    let directory = std::fs::read_dir("/sys/devices/system/cpu/vulnerabilities");
    let files = directory.into_iter().flatten().flatten();
    files
        .filter_map(|file| Some((file.file_name().into_string().ok()?, read(file.path())?)))
        .collect()
}

fn caches() -> Vec<String> {
    let at = |index: usize, what: &str| {
        read(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{what}"))
    };
    (0..8)
        .filter_map(|index| {
            let (level, size) = (at(index, "level")?, at(index, "size")?);
            match at(index, "type")?.as_str() {
                "Data" => Some(format!("L{level}d {size}")),
                "Instruction" => Some(format!("L{level}i {size}")),
                _ => Some(format!("L{level} {size}")),
            }
        })
        .collect()
}

fn memory(meminfo: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(total.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let machine = Description::read();
        assert!(machine.cpus > 0 && machine.memory > 0);
        assert_ne!(machine.kernel, "unknown");
        let rustc = machine.rustc.expect("it built this");
        assert!(rustc.starts_with("rustc 1."), "{rustc}");
    }

    #[test]
    fn what_is_not_there_is_not_invented() {
        assert_eq!(read("/does/not/exist"), None);
        assert_eq!(said(&mut Command::new("/does/not/exist")), None);
        assert_eq!(said(&mut Command::new("false")), None);
        assert_eq!(memory("MemFree: 3 kB\n"), None);
        assert_eq!(memory("MemTotal:  3 kB\nMemFree: 1 kB"), Some(3072));
    }
}
