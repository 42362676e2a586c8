//! Headers, and what pkg-config and CMake read.

use crate::Result;
use crate::build::root;
use crate::layout::{ABI, LIBRARIES, Layout, VERSION};
use crate::libraries::place;
use std::fs;

/// Puts the files where they belong.
pub(crate) fn install(layout: &Layout) -> Result<()> {
    for header in fs::read_dir(root().join("include"))? {
        let header = header?;
        place(&header.path(), &layout.headers.join(header.file_name()))?;
    }
    // Whoever passes the library on passes these on.
    for name in ["LICENSE-MIT", "LICENSE-APACHE", "ffi/THIRD-PARTY.txt"] {
        let from = root().join(name);
        place(&from, &layout.licences.join(from.file_name().unwrap_or_default()))?;
    }
    for (dir, name, text) in [
        (&layout.pkg_config, "ringws.pc", include_str!("../files/ringws.pc")),
        (&layout.cmake, "ringwsConfig.cmake", include_str!("../files/ringwsConfig.cmake")),
        (
            &layout.cmake,
            "ringwsConfigVersion.cmake",
            include_str!("../files/ringwsConfigVersion.cmake"),
        ),
    ] {
        let path = dir.join(name);
        fs::write(&path, fill(text, layout))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Fills in what a template leaves open.
pub(crate) fn fill(text: &str, layout: &Layout) -> String {
    let options: Vec<String> = LIBRARIES.iter().map(|name| format!("-l{name}")).collect();
    text.replace("@VERSION@", VERSION)
        .replace("@ABI@", ABI)
        .replace("@SO@", &Layout::so())
        .replace("@SONAME@", &Layout::soname())
        .replace("@DESCRIPTION@", env!("CARGO_PKG_DESCRIPTION"))
        .replace("@LIBDIR@", &layout.libdir)
        .replace("@UP@", &layout.up())
        .replace("@LIBRARIES_CMAKE@", &LIBRARIES.join(";"))
        .replace("@LIBRARIES@", &options.join(" "))
}
