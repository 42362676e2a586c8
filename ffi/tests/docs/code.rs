//! The guide's programs.

use super::common::server::Server;
use super::common::{Linkage, compilers, here, scratch, succeed};
use super::markdown::blocks;
use super::{files, page};
use ringws_kit::{Client, TEXT, ask, tcp};
use std::fs;
use std::time::Duration;

/// The blocks of a page are one program, so that later ones may use what earlier ones have.
fn compile(language: &str, standard: &str) -> usize {
    let compiler = compilers()[0];
    let unused = ["-Wno-unused-function", "-Wno-unused-variable"];
    let mut compiled = 0;
    for path in files("guide", ".md") {
        let text = page(&path);
        let blocks = blocks(&text, language);
        if blocks.is_empty() {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let source = scratch("docs")
            .join(format!("{name}-{standard}.{}", &language[..language.len().min(3)]));
        fs::write(&source, blocks.join("\n")).unwrap();
        let mut command = compiler.command(standard);
        command.args(unused).args(["-D_GNU_SOURCE", "-fsyntax-only"]).arg(&source);
        succeed(&mut command);
        compiled += blocks.len();
    }
    compiled
}

#[test]
fn all_c_of_the_guide_compiles() {
    assert!(compile("c", "c11") >= 25);
}

#[test]
fn all_cpp_of_the_guide_compiles() {
    assert!(compile("cpp", "c++17") >= 5);
}

#[test]
fn all_coroutines_of_the_guide_compile() {
    assert!(compile("cpp20", "c++20") >= 1);
}

/// What no test reads is no code block of the guide.
#[test]
fn every_block_is_checked_in_some_way() {
    // `cpp-websocketpp` is compiled by ffi/docs/build, the configurations are read by it, and what
    // is typed into a console is not run.
    let known = [
        "c",
        "cpp",
        "cpp20",
        "cpp-websocketpp",
        "console",
        "js",
        "nginx",
        "haproxy",
        "yaml",
        "ini",
    ];
    for path in files("guide", ".md") {
        let text = super::read(&path);
        for (number, fence) in text.split("```").enumerate().filter(|(number, _)| number % 2 == 1) {
            let (language, body) = fence.split_once('\n').unwrap();
            assert!(known.contains(&language), "{}: {language}", path.display());
            let is_sample = body.starts_with("--8<-- \"") && body.trim_end().lines().count() == 1;
            let is_code = matches!(language, "c" | "cpp" | "cpp20" | "console");
            assert!(is_code || is_sample, "{}: block {number}", path.display());
        }
    }
}

/// The worked example of the page on websocketpp.
#[test]
fn what_websocketpp_becomes_tells_all_others() {
    let source = here().join("docs/samples/migrate/after.cpp");
    let program = scratch("docs").join("after");
    compilers()[0].program("c++17", &source, Linkage::Shared, &["-D_GNU_SOURCE"], &program);
    let server = Server::start(&program, &["0"]);
    let may = [("Authorization", "Bearer of-a-real-check")];
    let enter = || Client::open_with(tcp(server.port), "/", &may);
    let (mut one, mut other) = (enter(), enter());
    let refused = ask(&mut tcp(server.port), "/", &[]).unwrap();
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    // Who has spoken has joined: the answer to a Ping says that on_open has returned.
    for client in [&mut one, &mut other] {
        client.send(0x89, "");
        assert_eq!(client.receive().0, 0x8a);
    }
    one.send(TEXT, "to all others");
    other.hears(TEXT, "to all others");
    other.send(TEXT, "and back");
    one.hears(TEXT, "and back");
    server.signal("TERM");
    drop((one, other));
    assert!(server.wait(Duration::from_secs(20)).success());
}
