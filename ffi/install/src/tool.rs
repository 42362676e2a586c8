//! Other programs.

use crate::Result;
use std::ffi::OsString;
use std::process::Command;

/// The tool that a variable of the environment names, as with make; otherwise the first of
/// `usual` that can be run.
pub(crate) fn named(variable: &str, usual: &[&str]) -> Result<Command> {
    if let Some(name) = std::env::var_os(variable).filter(|name| !name.is_empty()) {
        return words(name);
    }
    let there = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    match usual.iter().find(there) {
        Some(name) => Ok(Command::new(name)),
        None => Err(format!("{} is missing: install it, or set {variable}", usual[0]).into()),
    }
}

/// `CC="ccache cc"` is usual.
fn words(name: OsString) -> Result<Command> {
    let Ok(text) = name.into_string() else { return Err("a tool's name is not UTF-8".into()) };
    let mut words = text.split_whitespace();
    let mut command = Command::new(words.next().ok_or("a tool's name is empty")?);
    command.args(words);
    Ok(command)
}

/// Runs a tool that must succeed; what it wrote to standard output.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{command:?}: {}\n{said}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
