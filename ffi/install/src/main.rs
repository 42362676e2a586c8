//! `cargo install-ringws --prefix DIR`: libringws as a C or C++ project wants it.
//!
//! Cargo leaves an archive with the whole of Rust's standard library in it under global names, and
//! a shared library without a version. What is installed is made of that archive:
//!
//! 1. `build`: cargo makes `libringws.a`.
//! 2. `object`: what the functions of `ringws.h` need of it becomes one relocatable object, in
//!    which only their names are global.
//! 3. `libraries`: the object in an archive is the static library; linked alone, with its SONAME
//!    and its versions, it is the shared one.
//! 4. `files`: headers, and what pkg-config and CMake read.
//!
//! cargo-c installs libraries too, but has no step in which the archive's names could be hidden,
//! and cannot give symbols a version: rustc hands the linker a script without one, and linkers
//! take no second.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod build;
mod files;
mod layout;
mod libraries;
mod object;
mod options;
mod tool;

use layout::Layout;
use options::{Asked, Options};
use std::error::Error;
use std::fs;
use std::process::ExitCode;

/// What goes wrong is only ever shown.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let done = match options::parse(std::env::args().skip(1)) {
        Ok(Asked::Help) => {
            println!("{}", options::USAGE);
            Ok(())
        }
        Ok(Asked::Install(options)) => install(&options),
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn install(options: &Options) -> Result<()> {
    let built = build::archive(options)?;
    let layout = Layout::new(options)?;
    let Layout { libraries, pkg_config, cmake, headers, licences, .. } = &layout;
    for dir in [libraries, pkg_config, cmake, headers, licences] {
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    }
    let header = build::root().join("include/ringws.h");
    let names = object::declared(&fs::read_to_string(header)?);
    // Beside cargo's own files: several installations may be made at once.
    let scratch = built.with_file_name(format!("ringws-install-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let made = object::make(&built, &names, &scratch)
        .and_then(|object| libraries::make(&object, &scratch, &layout));
    let removed = fs::remove_dir_all(&scratch);
    made?;
    removed?;
    files::install(&layout)?;
    print!("{}", layout.told(options));
    Ok(())
}
