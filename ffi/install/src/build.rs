//! The archive that cargo makes.

use crate::Result;
use crate::options::Options;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository's directory. `cargo run` says which: a directory that cargo builds in may be
/// shared by several of them, and this program be another's.
pub(crate) fn root() -> PathBuf {
    let ours = std::env::var_os("CARGO_MANIFEST_DIR");
    Path::new(&ours.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into())).join("../..")
}

/// Has cargo build the library; where its archive lies.
pub(crate) fn archive(options: &Options) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "ringws-ffi", "--lib", "--message-format", "json"]);
    command.args(["--profile", &options.profile]);
    if options.no_tls {
        command.arg("--no-default-features");
    }
    if options.nats {
        command.args(["--features", "nats"]);
    }
    if options.mimalloc {
        command.args(["--features", "mimalloc"]);
    }
    if let Some(dir) = &options.target_dir {
        command.arg("--target-dir").arg(dir);
    }
    let output = command.current_dir(root()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("cargo build: {}", output.status).into());
    }
    let messages = String::from_utf8(output.stdout)?;
    file(&messages).ok_or_else(|| "cargo does not say where libringws.a lies".into())
}

/// The path that ends in libringws.a, of cargo's messages. A path in which JSON would have to
/// escape something (a quotation mark) is not found.
fn file(messages: &str) -> Option<PathBuf> {
    let strings = messages.lines().rev().flat_map(|line| line.split('"'));
    strings.filter(|text| text.ends_with("/libringws.a")).map(PathBuf::from).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_found_in_what_cargo_says() {
        let said = "{\"reason\":\"x\",\"filenames\":[\"/a/liba.rlib\"]}\n\
                    {\"filenames\":[\"/t/r/libringws.rlib\",\"/t/r/libringws.a\"],\"fresh\":true}\n\
                    {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(file(said), Some(PathBuf::from("/t/r/libringws.a")));
        assert_eq!(file("{\"filenames\":[\"/t/r/libother.a\"]}"), None);
    }
}
