//! The static and the shared library, of the one object.

use crate::Result;
use crate::files::fill;
use crate::layout::{LIBRARIES, Layout};
use crate::tool::{named, run};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What the linker is told: names' versions, no name left open, and memory that is read only
/// after the start.
const LINKER: [&str; 7] = [
    "--gc-sections",
    "--as-needed",
    "--build-id=sha1",
    "--hash-style=gnu",
    "-z,defs",
    "-z,relro,-z,now",
    "-z,noexecstack",
];

/// Makes both and puts them where they belong, each by a rename: who has the old one open, or
/// mapped, keeps it.
pub(crate) fn make(object: &Path, scratch: &Path, layout: &Layout) -> Result<()> {
    let archive = scratch.join("libringws.a");
    // D: the same bytes for the same object.
    run(named("AR", &["ar"])?.arg("rcsD").arg(&archive).arg(object))?;
    place(&archive, &layout.libraries.join("libringws.a"))?;

    let map = scratch.join("ringws.map");
    fs::write(&map, fill(include_str!("../files/ringws.map"), layout))?;
    let shared = scratch.join("libringws.so");
    let mut cc = named("CC", &["cc"])?;
    cc.args(["-shared", "-o"]).arg(&shared).arg(object);
    cc.arg(format!("-Wl,-soname,{}", Layout::soname()));
    cc.arg(format!("-Wl,--version-script={}", map.display()));
    cc.args(LINKER.map(|option| format!("-Wl,{option}")));
    run(cc.args(LIBRARIES.map(|library| format!("-l{library}"))))?;
    place(&shared, &layout.libraries.join(Layout::so()))?;

    link(&Layout::so(), &layout.libraries.join(Layout::soname()))?;
    link(&Layout::soname(), &layout.libraries.join("libringws.so"))
}

/// Copies a file to where it shall lie, whole or not at all.
pub(crate) fn place(from: &Path, to: &Path) -> Result<()> {
    let part = to.with_file_name(format!(".ringws-{}", std::process::id()));
    let copied = fs::copy(from, &part).and_then(|_| fs::rename(&part, to));
    copied.map_err(|error| format!("{}: {error}", to.display()).into())
}

fn link(to: &str, at: &Path) -> Result<()> {
    let part = at.with_file_name(format!(".ringws-{}", std::process::id()));
    let linked = symlink(to, &part).and_then(|()| fs::rename(&part, at));
    linked.map_err(|error| format!("{}: {error}", at.display()).into())
}
