//! `ffi/docs` says what is there: its code compiles and runs, the names in it are those of the
//! header and of the counters, its samples let the library work. What needs tools that a build does
//! not have, `ffi/docs/build` checks.

#[path = "docs/code.rs"]
mod code;
mod common;
#[path = "common/markdown.rs"]
mod markdown;
#[path = "docs/names.rs"]
mod names;
#[path = "docs/seccomp.rs"]
mod seccomp;
#[path = "docs/service.rs"]
mod service;

use common::here;
use std::fs;
use std::path::{Path, PathBuf};

/// All files below a folder of `ffi/docs` whose names end so, in their order.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let list = fs::read_dir(here().join("docs").join(folder)).unwrap();
    let all = list.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        all.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    assert!(!found.is_empty(), "{folder}: none ends in {end}");
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A page with what it includes in the place of the lines that say so.
fn page(path: &Path) -> String {
    let line = |line: &str| match line.strip_prefix("--8<-- \"").and_then(|l| l.strip_suffix('"')) {
        Some(other) if other.starts_with("examples/") => read(&here().join(other)),
        Some(other) if other.starts_with("samples/") => read(&here().join("docs").join(other)),
        // The README's tables, and the list of the manual pages.
        _ => format!("{line}\n"),
    };
    read(path).lines().map(line).collect()
}

/// The words of a text that begin so, of letters, digits and `_`.
fn words<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(move |word| word.starts_with(begin))
}
