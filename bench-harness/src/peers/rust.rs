//! Peers in Rust: `peers/rust`, a workspace of its own.

use super::Built;
use super::tool::{cargo, read, run};
use crate::error::{Error, Result};
use crate::example::Workspace;

/// The programs; the package of each has its name.
const PROGRAMS: [&str; 5] =
    ["sockudo-ws", "fastwebsockets", "tokio-tungstenite", "tokio-websockets", "tokio-uring"];

/// The program of a server's name, and whether it is to allocate with mimalloc. `-system` after the
/// program's name asks for the system's allocator.
pub(super) fn program(name: &str) -> Option<(&str, bool)> {
    let (program, mimalloc) =
        name.strip_suffix("-system").map_or((name, true), |program| (program, false));
    PROGRAMS.contains(&program).then_some((program, mimalloc))
}

/// Builds one of the programs.
pub(super) fn echo(name: &str, mimalloc: bool, workspace: &Workspace) -> Result<Built> {
    let sources = workspace.root.join("bench-harness/peers/rust");
    // A target directory for each: the programs have the same path in it.
    let target = workspace.target.join(if mimalloc { "peers/rust" } else { "peers/rust-system" });
    let mut command = cargo(&sources);
    command.args(["build", "--release", "--quiet", "--locked", "--bin", name, "--target-dir"]);
    command.arg(&target).env("RUSTFLAGS", "-C target-cpu=native");
    command.args((!mimalloc).then_some("--no-default-features"));
    run(&mut command, "it needs cargo, a C compiler (mimalloc) and crates.io")?;
    let lock = read(&sources.join("Cargo.lock"))?;
    let mut version = locked(&lock, name)?;
    if name == "tokio-uring" {
        version = format!("{version}, sockudo-ws {}", locked(&lock, "sockudo-ws")?);
    } else {
        version = format!("{version}, tokio {}", locked(&lock, "tokio")?);
    }
    let allocator = if mimalloc { "mimalloc" } else { "system allocator" };
    version = format!("{version}, {allocator}");
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
    fn a_suffix_names_the_allocator() {
        assert_eq!(program("sockudo-ws"), Some(("sockudo-ws", true)));
        assert_eq!(program("tokio-uring-system"), Some(("tokio-uring", false)));
        assert_eq!(program("ringws-rust-system"), None);
    }

    #[test]
    fn versions_are_found() {
        let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1\"\n\
                    [[package]]\nname = \"b\"\nversion = \"2.0\"\n";
        assert_eq!(locked(lock, "b").expect("there"), "2.0");
        assert!(locked(lock, "c").is_err());
        assert!(locked("[", "c").is_err());
    }
}
