//! Running other programs: compilers and package managers.

use crate::error::{Error, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs to the end and returns what it printed; an error says what the program said, and `remedy`.
pub(super) fn run(command: &mut Command, remedy: &str) -> Result<String> {
    let line = format!("{command:?}").replace('"', "");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Usage(format!("cannot run `{line}`: {error}; {remedy}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // The end is where compilers and package managers say why.
    let from = said.char_indices().rev().nth(4000).map_or(0, |(at, _)| at);
    let said = said.get(from..).unwrap_or_default().trim();
    Err(Error::Usage(format!("`{line}` failed, {}; {remedy}\n{said}", output.status)))
}

/// Cargo in a directory, as it is without the flags of a cargo that runs this.
pub(super) fn cargo(directory: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(directory).env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

/// Creates a directory and those above it.
pub(super) fn directory(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).map_err(Error::io(format!("creating {}", path.display())))?;
    Ok(path)
}

/// Copies a file into a directory under its own name.
pub(super) fn copy(file: &Path, into: &Path) -> Result<PathBuf> {
    let to = into.join(file.file_name().unwrap_or_default());
    fs::copy(file, &to).map_err(Error::io(format!("copying {}", file.display())))?;
    Ok(to)
}

/// A text file.
pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io(format!("reading {}", path.display())))
}

/// Runs `install` unless it ran for the same `what` before, which is kept beside it.
pub(super) fn once(
    directory: &Path,
    what: &str,
    install: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let stamp = directory.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|done| done == what) {
        return Ok(());
    }
    install()?;
    fs::write(&stamp, what).map_err(Error::io(format!("writing {}", stamp.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_was_said_and_what_to_do() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let error = run(&mut command, "do this").expect_err("3").to_string();
        for part in ["out", "err", "do this"] {
            assert!(error.contains(part), "{error}");
        }
        let error = run(&mut Command::new("/does/not/exist"), "install it").expect_err("missing");
        assert!(error.to_string().contains("install it"), "{error}");
    }

    #[test]
    fn what_is_installed_is_not_installed_again() {
        let name = format!("ringws-bench-once-{}", std::process::id());
        let at = directory(std::env::temp_dir().join(name)).expect("a directory");
        let mut runs = 0;
        for what in ["a", "a", "b"] {
            let install = || {
                runs += 1;
                Ok(())
            };
            once(&at, what, install).expect("it is written");
        }
        assert_eq!(runs, 2);
        fs::remove_dir_all(at).expect("it is there");
    }
}
