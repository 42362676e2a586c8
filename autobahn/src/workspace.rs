//! Where the sources are and where what is built goes.

use crate::command::capture;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders of the repository.
pub struct Workspace {
    /// The root of the repository.
    pub root: PathBuf,
    /// Cargo's target directory, as its configuration and environment have it.
    pub target: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let args = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
        let text = capture(cargo().current_dir(manifest).args(args))?;
        let metadata: serde_json::Value =
            serde_json::from_str(&text).map_err(Error::data("cargo metadata"))?;
        let path = |key: &str| {
            let path = metadata.get(key).and_then(|value| value.as_str()).map(PathBuf::from);
            path.ok_or_else(|| Error::data("cargo metadata")(format!("has no {key}")))
        };
        Ok(Self { root: path("workspace_root")?, target: path("target_directory")? })
    }
}

/// The cargo that started this program, or the one on PATH.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository() {
        let workspace = Workspace::find().expect("cargo answers");
        assert!(workspace.root.join("autobahn/src/workspace.rs").is_file());
        assert!(workspace.target.is_absolute());
    }
}
