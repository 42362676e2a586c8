//! What the libraries show to the linker.

mod common;

use common::{Linkage, compilers, here, library, scratch, stdout_of, succeed};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The names a library defines for others, with the type that nm gives them.
fn defined(options: &[&str], library: &Path) -> BTreeSet<(String, String)> {
    let mut nm = Command::new("nm");
    nm.args(options).args(["--defined-only", "--format=posix"]).arg(library);
    stdout_of(&mut nm)
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        // Members' headings, and what linker plugins have to say, are no symbols.
        .filter(|(name, kind)| kind.len() == 1 && !name.ends_with(':'))
        .collect()
}

/// The functions that ringws.h declares.
fn declared() -> BTreeSet<String> {
    let header = std::fs::read_to_string(here().join("../include/ringws.h")).unwrap();
    let prototypes = header.split("extern \"C\" {").nth(1).unwrap();
    let names = prototypes.split('(').map(|before| before.rsplit([' ', '*', '\n']).next().unwrap());
    names.filter(|name| name.starts_with("rws_")).map(str::to_owned).collect()
}

#[test]
fn the_shared_library_exports_the_header_and_nothing_else() {
    let exported: BTreeSet<String> =
        defined(&["--dynamic"], &library().join("libringws.so")).into_iter().map(|s| s.0).collect();
    assert_eq!(exported, declared());
}

#[test]
fn the_shared_library_needs_only_the_system() {
    let mut readelf = Command::new("readelf");
    let text = stdout_of(readelf.arg("--dynamic").arg(library().join("libringws.so")));
    let needed: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| line.split(['[', ']']).nth(1))
        .collect();
    assert!(!needed.is_empty());
    for name in needed {
        let known = ["libc.", "libgcc_s.", "libm.", "libpthread.", "libdl.", "librt.", "ld-linux"];
        assert!(known.iter().any(|prefix| name.starts_with(prefix)), "needs {name}");
    }
}

/// Rust's static libraries bring std and compiler-rt along, under mangled and reserved names.
#[test]
fn the_static_library_takes_no_name_that_a_program_could_want() {
    let all: BTreeSet<String> = defined(&["--extern-only"], &library().join("libringws.a"))
        .into_iter()
        .map(|symbol| symbol.0)
        .collect();
    assert!(declared().is_subset(&all));
    // C11 §7.1.3 reserves names that begin with two underscores, or one and a capital.
    let reserved = ["rws_", "__", "_ZN", "_R", "rust_", "DW.ref."];
    // The cryptography of TLS: C with its version in front of each name, but for some assembly.
    let cryptography = ["aws_lc_", "mldsa_", "sha3_keccak4_"];
    let known = reserved.iter().chain(&cryptography);
    // What optimising across modules leaves of constants has dots: no name in C.
    let wanted = |name: &&String| {
        !name.contains(".llvm.") && !known.clone().any(|prefix| name.starts_with(prefix))
    };
    let taken: Vec<&String> = all.iter().filter(wanted).collect();
    assert!(taken.is_empty(), "{taken:#?}");
}

/// A program with another Rust static library, ours being static or shared.
#[test]
fn links_beside_another_rust_library() {
    let dir = scratch("symbols");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let archive = dir.join("libsecond.a");
    let mut command = Command::new(rustc);
    command.args(["--edition", "2024", "--crate-type", "staticlib", "-O", "-o"]);
    succeed(command.arg(&archive).arg(here().join("tests/c/second.rs")));
    let source = here().join("tests/c/both.c");
    for compiler in compilers() {
        for linkage in [Linkage::Static, Linkage::Shared] {
            let program = dir.join(format!("both-{}-{linkage:?}", compiler.c));
            let archive = archive.to_str().unwrap();
            // The linker takes each name from the first archive that has it.
            let options = ["-Wl,--start-group", archive, "-Wl,--undefined=second"];
            compiler.program("c11", &source, linkage, &options, &program);
            succeed(&mut Command::new(&program));
        }
    }
}
