//! How much memory an engine may hold for its peers when it is not told.

use rustix::system::sysinfo;
use std::path::{Path, PathBuf};

/// Where Linux shows control groups.
const CGROUPS: &str = "/sys/fs/cgroup";

/// Half of what the process may use: of the machine's memory, or of the limit of its control group
/// if that is less. The other half is for the application, and for the kernel's socket buffers,
/// which count against the same limits.
pub(crate) fn default() -> u64 {
    let info = sysinfo();
    let machine = info.totalram.saturating_mul(u64::from(info.mem_unit));
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|file| limit(&file));
    limits.fold(machine, u64::min) / 2
}

/// The number in a file; `None` where there is no file, or it says `max`.
fn limit(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The files that limit the memory of a process, when that is in these groups
/// (`/proc/self/cgroup`): of its group and of those above it, which count as well. In a container
/// the root of what is shown may be the group itself.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let (root, name) = match controllers {
            "" => (Path::new(CGROUPS).to_owned(), "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                (Path::new(CGROUPS).join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let group = Path::new(path.trim_start_matches('/'));
        files.extend(group.ancestors().map(|group| root.join(group).join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_all_groups_above() {
        let of = |groups| -> Vec<String> {
            limit_files(groups).iter().map(|file| file.display().to_string()).collect()
        };
        let unified = ["a/b/memory.max", "a/memory.max", "memory.max"];
        assert_eq!(of("0::/a/b\n"), unified.map(|file| format!("{CGROUPS}/{file}")));
        let old = ["c/memory.limit_in_bytes", "memory.limit_in_bytes"];
        let old = old.map(|file| format!("{CGROUPS}/memory/{file}"));
        assert_eq!(of("9:name=systemd:/\n4:cpu,memory:/c\n0x\n"), old);
        assert!(of("").is_empty());
    }

    #[test]
    fn half_of_what_there_is_at_most() {
        let total = sysinfo().totalram * u64::from(sysinfo().mem_unit);
        assert!((1 << 20..=total / 2).contains(&default()), "{} of {total}", default());
        assert_eq!(limit(Path::new("/proc/version")), None);
    }
}
