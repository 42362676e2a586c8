//! What the installed libraries show to linkers, and whom they stand beside.

use crate::common::{compilers, here, scratch, stdout_of, succeed};
use crate::tree::{installed, library_dir};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The names that a library defines for others.
fn defined(options: &[&str], library: &Path) -> BTreeSet<String> {
    let mut nm = Command::new("nm");
    nm.args(options).args(["--defined-only", "--format=posix"]).arg(library);
    let names = stdout_of(&mut nm);
    let names = names.lines().filter_map(|line| line.split(' ').next());
    // Members' headings are no symbols.
    names.filter(|name| !name.ends_with(':')).map(str::to_owned).collect()
}

/// The functions that the header declares.
fn declared() -> BTreeSet<String> {
    let header = std::fs::read_to_string(installed().join("include/ringws.h")).unwrap();
    let prototypes = header.split("extern \"C\" {").nth(1).unwrap();
    let names = prototypes.split('(').map(|before| before.rsplit([' ', '*', '\n']).next().unwrap());
    names.filter(|name| name.starts_with("rws_")).map(str::to_owned).collect()
}

#[test]
fn the_archive_shows_the_header_and_nothing_else() {
    assert!(declared().len() > 100);
    assert_eq!(defined(&["--extern-only"], &library_dir().join("libringws.a")), declared());
}

#[test]
fn the_shared_library_shows_the_header_with_its_version() {
    let mut names: BTreeSet<String> =
        declared().into_iter().map(|name| format!("{name}@@RINGWS_0.1")).collect();
    names.insert("RINGWS_0.1".into());
    assert_eq!(defined(&["--dynamic"], &library_dir().join("libringws.so")), names);
    let text =
        stdout_of(Command::new("readelf").arg("--dynamic").arg(library_dir().join("libringws.so")));
    assert!(text.contains("Library soname: [libringws.so.0.1]"), "{text}");
    for name in text.lines().filter(|line| line.contains("(NEEDED)")) {
        let known = ["[libc.so.", "[libgcc_s.so.", "[ld-linux-"];
        assert!(known.iter().any(|library| name.contains(library)), "{name}");
    }
}

/// Nobody asked for debug data, which was nine tenths of it, nor for code to optimise once more.
#[test]
fn the_archive_is_code_and_data() {
    let mut readelf = Command::new("readelf");
    readelf.args(["--sections", "--wide"]).arg(library_dir().join("libringws.a"));
    let sections = stdout_of(&mut readelf);
    for part in [".debug_", ".llvmbc", ".llvmcmd"] {
        assert!(!sections.contains(part), "{part}");
    }
    let size = std::fs::metadata(library_dir().join("libringws.a")).unwrap().len();
    assert!(size < 20_000_000, "{size}");
}

/// How to call the Rust compilers there are.
fn rust_compilers() -> Vec<Vec<String>> {
    let mut list = Command::new("rustup");
    let toolchains = match list.args(["toolchain", "list"]).output() {
        Ok(output) => String::from_utf8(output.stdout).unwrap(),
        Err(_) => String::new(),
    };
    let names = toolchains.lines().filter_map(|line| line.split(' ').next());
    let run = |name: &str| ["rustup", "run", name, "rustc"].map(str::to_owned).to_vec();
    let mut all: Vec<Vec<String>> = names.map(run).collect();
    all.push(vec![std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into())]);
    all
}

/// All of both archives are in one program: no name is in both.
#[test]
fn links_beside_rust_archives_of_any_compiler() {
    let dir = scratch("install");
    let ours = library_dir().join("libringws.a");
    for (number, rustc) in rust_compilers().into_iter().enumerate() {
        let archive = dir.join(format!("libsecond-{number}.a"));
        let mut command = Command::new(&rustc[0]);
        command.args(&rustc[1..]).args(["--edition", "2024", "--crate-type", "staticlib", "-O"]);
        succeed(command.arg("-o").arg(&archive).arg(here().join("tests/c/second.rs")));
        for compiler in compilers() {
            let program = dir.join(format!("both-{number}-{}", compiler.c));
            let mut cc = Command::new(compiler.c);
            cc.arg(here().join("tests/c/both.c")).arg("-I").arg(installed().join("include"));
            cc.arg("-Wl,--whole-archive").args([&ours, &archive]).arg("-Wl,--no-whole-archive");
            // What rustc names for its own archive.
            cc.args(["-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl", "-o"]).arg(&program);
            succeed(&mut cc);
            succeed(&mut Command::new(&program));
        }
    }
}

/// OpenSSL and zlib, shared and static, whose names AWS-LC and zlib-rs have too.
#[test]
fn links_beside_openssl_and_zlib() {
    let dir = scratch("install");
    let source = dir.join("beside.c");
    let text = std::fs::read_to_string(here().join("tests/consumer/main.c")).unwrap();
    let includes = "#include <openssl/evp.h>\n#include <zlib.h>\n";
    let wrong = "!EVP_sha256() || EVP_MD_get_size(EVP_sha3_256()) != 32 || !zlibVersion()[0]";
    let calls = format!("int main(void) {{\n  if ({wrong}) return 2;");
    std::fs::write(&source, format!("{includes}{}", text.replace("int main(void) {", &calls)))
        .unwrap();
    for compiler in compilers() {
        for linkage in [&["-lssl", "-lcrypto", "-lz"][..], &["-static", "-lssl", "-lcrypto", "-lz"]]
        {
            let program = dir.join(format!("beside-{}-{}", compiler.c, linkage.len()));
            let mut cc = Command::new(compiler.c);
            cc.arg("-I").arg(installed().join("include")).arg(&source);
            cc.arg(library_dir().join("libringws.a")).args(linkage);
            succeed(cc.arg("-o").arg(&program));
            assert_eq!(stdout_of(&mut Command::new(&program)), "round trip\n");
        }
    }
}
