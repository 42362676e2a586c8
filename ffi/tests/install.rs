//! What `cargo install-ringws` installs, as its users meet it: programs in directories of their
//! own, built by CMake and by hand with each compiler, run for a round trip.

mod common;
#[path = "install/links.rs"]
mod links;
#[path = "install/packages.rs"]
mod packages;
#[path = "install/tree.rs"]
mod tree;

use common::{Compiler, compilers, here, scratch, stdout_of, succeed};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tree::{installed, library_dir, target_dir};

/// Configures, builds and runs the consumer's project; how many programs were run.
fn project(compiler: Compiler, name: &str, options: &[String]) -> usize {
    let build = scratch("install").join(format!("{name}-{}", compiler.c));
    let _ = std::fs::remove_dir_all(&build);
    let mut cmake = Command::new("cmake");
    cmake.arg("-S").arg(here().join("tests/consumer")).arg("-B").arg(&build).args(options);
    succeed(cmake.env("CC", compiler.c).env("CXX", compiler.cxx));
    succeed(Command::new("cmake").arg("--build").arg(&build).args(["--parallel", "2"]));
    let mut ctest = Command::new("ctest");
    let said = stdout_of(ctest.args(["--output-on-failure", "-j", "2"]).current_dir(&build));
    said.matches(" Passed ").count()
}

#[test]
fn find_package_gives_both_libraries() {
    for compiler in compilers() {
        let prefix = format!("-DCMAKE_PREFIX_PATH={}", installed().display());
        let sanitizers = "-DSANITIZERS=none;address;undefined;thread".into();
        // Three standards, two libraries, four ways to watch; and the race that must be seen.
        assert_eq!(project(compiler, "found", &[prefix, sanitizers]), 3 * 2 * 4 + 1);
    }
}

#[test]
fn fetch_content_gives_both_libraries() {
    for compiler in compilers() {
        let root = here().join("..").display().to_string();
        let options = [
            "-DFETCH=ON".into(),
            format!("-DFETCHCONTENT_SOURCE_DIR_RINGWS={root}"),
            format!("-DRINGWS_TARGET_DIR={}", target_dir().display()),
        ];
        assert_eq!(project(compiler, "fetched", &options), 3 * 2);
    }
}

#[test]
fn every_header_and_licence_is_installed() {
    let names = |dir: PathBuf| {
        let entries = std::fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    let headers = names(installed().join("include"));
    assert!(headers.contains(OsStr::new("ringws.hpp")));
    assert_eq!(headers, names(here().join("../include")));
    let licences = names(installed().join("share/doc/ringws"));
    assert!(licences.contains(OsStr::new("THIRD-PARTY.txt")) && licences.len() == 3);
}

/// What pkg-config says, as words.
fn pkg_config(options: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.args(options).arg("ringws").env("PKG_CONFIG_PATH", library_dir().join("pkgconfig"));
    stdout_of(&mut command).split_whitespace().map(str::to_owned).collect()
}

/// Builds a consumer by one line, as a makefile would have it, and runs it.
fn by_hand(compiler: Compiler, standard: &str, name: &str, words: &[String]) -> PathBuf {
    let cxx = standard.starts_with("c++");
    let source = here().join("tests/consumer").join(if cxx { "main.cpp" } else { "main.c" });
    let program = scratch("install").join(format!("{name}-{standard}-{}", compiler.c));
    let mut command = Command::new(if cxx { compiler.cxx } else { compiler.c });
    command.arg(format!("-std={standard}")).arg(&source).args(words).arg("-o").arg(&program);
    succeed(&mut command);
    let mut run = Command::new(&program);
    assert_eq!(stdout_of(run.env("LD_LIBRARY_PATH", library_dir())), "round trip\n");
    program
}

fn needs_the_shared_library(program: &Path) -> bool {
    let mut readelf = Command::new("readelf");
    stdout_of(readelf.arg("--dynamic").arg(program)).contains("[libringws.so.0.1]")
}

#[test]
fn pkg_config_gives_both_libraries() {
    assert_eq!(pkg_config(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let shared = pkg_config(&["--cflags", "--libs"]);
    let full = pkg_config(&["--cflags", "--libs", "--static"]);
    let mut archive = full.clone();
    archive.insert(0, "-Wl,-Bstatic".into());
    archive.push("-Wl,-Bdynamic".into());
    let all = [full, vec!["-static".into()]].concat();
    for compiler in compilers() {
        for standard in ["c11", "c++17", "c++20"] {
            let program = by_hand(compiler, standard, "shared", &shared);
            assert!(needs_the_shared_library(&program));
            let program = by_hand(compiler, standard, "archive", &archive);
            assert!(!needs_the_shared_library(&program));
            by_hand(compiler, standard, "all-static", &all);
        }
    }
}

/// The lines that the installation prints; and `--gc-sections` is of use.
#[test]
fn the_archive_needs_nothing_beside_it() {
    let archive = library_dir().join("libringws.a");
    for compiler in compilers() {
        let size = |options: &[&str]| {
            let program = scratch("install").join(format!("echo-{}", compiler.c));
            let mut command = Command::new(compiler.c);
            command.arg("-I").arg(installed().join("include"));
            command.arg(here().join("examples/echo.c")).arg(&archive).args(options);
            succeed(command.arg("-o").arg(&program));
            std::fs::metadata(program).unwrap().len()
        };
        let (whole, part) = (size(&[]), size(&["-Wl,--gc-sections", "-s"]));
        assert!(part * 2 < whole, "{part} of {whole} bytes");
    }
}

/// Until 1.0 a minor version may be another ABI.
#[test]
fn a_version_that_is_not_there_is_not_found() {
    let version = library_dir().join("cmake/ringws/ringwsConfigVersion.cmake");
    let suits = |definitions: &[&str]| {
        let script = scratch("install").join("version.cmake");
        let text =
            format!("include({})\nmessage(${{PACKAGE_VERSION_COMPATIBLE}})\n", version.display());
        std::fs::write(&script, text).unwrap();
        let mut cmake = Command::new("cmake");
        let output = succeed(cmake.args(definitions).arg("-P").arg(script));
        String::from_utf8(output.stderr).unwrap().trim() == "TRUE"
    };
    for (asked, there) in
        [("0.1", true), ("0.1.0", true), ("0", true), ("0.0", false), ("0.2", false), ("1", false)]
    {
        assert_eq!(suits(&[&format!("-DPACKAGE_FIND_VERSION={asked}")]), there, "{asked}");
    }
    for (least, most, ends, there) in [
        ("0.1", "0.3", "INCLUDE", true),
        ("0.0", "0.1.0", "INCLUDE", true),
        ("0.0", "0.1.0", "EXCLUDE", false),
        ("0.2", "0.3", "INCLUDE", false),
    ] {
        let range = [
            "-DPACKAGE_FIND_VERSION_RANGE=1",
            &format!("-DPACKAGE_FIND_VERSION_MIN={least}"),
            &format!("-DPACKAGE_FIND_VERSION_MAX={most}"),
            &format!("-DPACKAGE_FIND_VERSION_RANGE_MAX={ends}"),
        ];
        assert_eq!(suits(&range), there, "{least} to {most}");
    }
}
