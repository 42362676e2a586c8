//! Peers in Rust: `peers/rust`, a workspace of its own.

use super::Built;
use super::tool::{cargo, read, run};
use crate::error::{Error, Result};
use crate::example::Workspace;

/// The programs; the package of each has its name.
const PROGRAMS: [&str; 5] =
    ["sockudo-ws", "fastwebsockets", "tokio-tungstenite", "tokio-websockets", "tokio-uring"];

/// Those that can flush every answer.
const EACH: [&str; 4] = ["sockudo-ws", "fastwebsockets", "tokio-tungstenite", "tokio-websockets"];

/// A program, and how it is built and called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) program: &'static str,
    /// Its allocator, or the system's.
    mimalloc: bool,
    /// Every answer is flushed, as in the echo examples of the libraries.
    pub(super) each: bool,
}

/// What a server's name asks for: `-system` behind the program's name the system's allocator,
/// `-each` a flush for every answer.
pub(super) fn variant(name: &str) -> Option<Variant> {
    let known = |name| PROGRAMS.into_iter().find(|program| *program == name);
    if let Some(program) = name.strip_suffix("-each").and_then(known) {
        return EACH.contains(&program).then_some(Variant { program, mimalloc: true, each: true });
    }
    let (name, mimalloc) = name.strip_suffix("-system").map_or((name, true), |name| (name, false));
    known(name).map(|program| Variant { program, mimalloc, each: false })
}

/// Builds one of the programs.
pub(super) fn echo(variant: Variant, workspace: &Workspace) -> Result<Built> {
    let Variant { program: name, mimalloc, each } = variant;
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
    let mut built = Built::program(target.join("release").join(name), version);
    built.command.extend(each.then(|| "each".to_owned()));
    Ok(built.with_wire(name == "sockudo-ws", name != "tokio-uring"))
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
    fn suffixes_name_the_allocator_and_the_flushes() {
        let of = |program, mimalloc, each| Some(Variant { program, mimalloc, each });
        assert_eq!(variant("sockudo-ws"), of("sockudo-ws", true, false));
        assert_eq!(variant("tokio-uring-system"), of("tokio-uring", false, false));
        assert_eq!(variant("sockudo-ws-each"), of("sockudo-ws", true, true));
        assert_eq!(variant("tokio-uring-each"), None);
        assert_eq!(variant("ringws-rust-system"), None);
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
