//! A control group (version 1) for the time of a kind.

use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ROOT: &str = "/sys/fs/cgroup";
const PREFIX: &str = "ringws-campaign-";

/// One; dropping it moves who is left to the root and removes it.
#[derive(Debug)]
pub struct Group {
    path: PathBuf,
}

impl Group {
    /// Why there can be none of that controller here.
    pub fn lacks(controller: &str) -> Option<String> {
        Self::new(controller, "probe").err().map(|error| error.to_string())
    }

    /// Makes one.
    pub fn new(controller: &str, name: &str) -> Result<Self> {
        let root = Path::new(ROOT).join(controller);
        if !root.join("cgroup.procs").exists() {
            return Err(Error::Usage(format!("no controller `{controller}` of version 1")));
        }
        sweep(&root);
        let path = root.join(format!("{PREFIX}{}-{name}", std::process::id()));
        fs::create_dir(&path).map_err(Error::io(format!("creating {}", path.display())))?;
        Ok(Self { path })
    }

    /// Sets a limit.
    pub fn set(&self, file: &str, value: impl ToString) -> Result<()> {
        let path = self.path.join(file);
        fs::write(&path, value.to_string())
            .map_err(Error::io(format!("writing {}", path.display())))
    }

    /// Reads a number.
    pub fn get(&self, file: &str) -> Result<u64> {
        let path = self.path.join(file);
        let text =
            fs::read_to_string(&path).map_err(Error::io(format!("reading {}", path.display())))?;
        let number = text.split_whitespace().next().and_then(|word| word.parse().ok());
        number.ok_or_else(|| Error::Usage(format!("{}: {text}", path.display())))
    }

    /// A process is in it from now on, with all its threads.
    pub fn take(&self, pid: u32) -> Result<()> {
        self.set("cgroup.procs", pid)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        empty(&self.path);
    }
}

/// Those of runs that were killed.
fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        let pid = rest.split('-').next().unwrap_or_default();
        if !Path::new("/proc").join(pid).exists() {
            empty(&entry.path());
        }
    }
}

fn empty(path: &Path) {
    let root = path.parent().map(|root| root.join("cgroup.procs"));
    for _ in 0..50 {
        let left = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
        for pid in left.lines() {
            let _ = root.as_ref().map(|root| fs::write(root, pid));
        }
        // What has ended is taken out in the kernel's own time.
        if fs::remove_dir(path).is_ok() || !path.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
