//! What the kernel says of the test's own process.

/// 2^20 bytes.
pub const MIB: usize = 1 << 20;

/// A line of `/proc/self/status` that counts memory, in bytes (proc(5)).
pub fn memory(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kib = value.expect("such a line").trim().strip_suffix(" kB").expect("a size");
    kib.parse::<usize>().expect("a number") << 10
}

/// Resident memory of the process, in bytes.
pub fn resident() -> usize {
    memory("VmRSS")
}
