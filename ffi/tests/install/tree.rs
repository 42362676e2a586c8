//! One installation for all tests, built as a release is, and moved: what it says of its places
//! must hold wherever it is.

use crate::common::{here, scratch, succeed};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where cargo builds.
pub(crate) fn target_dir() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

/// What installs, with its options.
pub(crate) fn install(options: &[&str]) -> Command {
    let target = target_dir();
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--quiet", "--package", "ringws-install", "--target-dir"]).arg(&target);
    command.arg("--").args(options).arg("--target-dir").arg(target).current_dir(here());
    command
}

/// The prefix.
pub(crate) fn installed() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let [first, moved] = ["first", "moved"].map(|name| scratch("install").join(name));
        for dir in [&first, &moved] {
            let _ = std::fs::remove_dir_all(dir);
        }
        succeed(&mut install(&["--prefix", first.to_str().unwrap()]));
        std::fs::rename(first, &moved).unwrap();
        moved
    })
}

pub(crate) fn library_dir() -> PathBuf {
    installed().join("lib")
}
