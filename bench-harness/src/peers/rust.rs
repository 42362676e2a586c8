//! Peers in Rust: `peers/rust`, a workspace of its own.

use super::Built;
use super::tool::{cargo, read, run};
use crate::error::{Error, Result};
use crate::example::Workspace;

/// Builds one of the programs; its package has the program's name.
pub(super) fn echo(name: &str, workspace: &Workspace) -> Result<Built> {
    let sources = workspace.root.join("bench-harness/peers/rust");
    let target = workspace.target.join("peers/rust");
    let mut command = cargo(&sources);
    command.args(["build", "--release", "--quiet", "--locked", "--bin", name, "--target-dir"]);
    command.arg(&target).env("RUSTFLAGS", "-C target-cpu=native");
    run(&mut command, "it needs cargo, a C compiler (mimalloc) and crates.io")?;
    let lock = read(&sources.join("Cargo.lock"))?;
    let mut version = locked(&lock, name)?;
    if name == "tokio-uring" {
        version = format!("{version}, sockudo-ws {}", locked(&lock, "sockudo-ws")?);
    } else {
        version = format!("{version}, tokio {}", locked(&lock, "tokio")?);
    }
    Ok(Built::program(target.join("release").join(name), version))
}

/// The version of a package in a `Cargo.lock`.
fn locked(lock: &str, package: &str) -> Result<String> {
    let lock: toml::Table =
        lock.parse().map_err(|error| Error::Usage(format!("Cargo.lock: {error}")))?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let text = |table: &toml::Value, key| table.get(key)?.as_str().map(str::to_owned);
    packages
        .into_iter()
        .flatten()
        .find(|table| text(table, "name").as_deref() == Some(package))
        .and_then(|table| text(table, "version"))
        .ok_or_else(|| Error::Usage(format!("Cargo.lock has no {package}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1\"\n\
                    [[package]]\nname = \"b\"\nversion = \"2.0\"\n";
        assert_eq!(locked(lock, "b").expect("there"), "2.0");
        assert!(locked(lock, "c").is_err());
        assert!(locked("[", "c").is_err());
    }
}
