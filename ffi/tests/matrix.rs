//! The headers and the programs under every compiler and standard we promise: without a warning,
//! linked both ways, and run.

mod common;

use common::server::Server;
use common::websocket::converse;
use common::{Compiler, Linkage, compilers, here, scratch, succeed};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const C: [&str; 3] = ["c99", "c11", "c17"];
const CXX: [&str; 2] = ["c++17", "c++20"];

/// What compiles `text` alone, as a source of this standard.
fn compile(
    compiler: Compiler,
    standard: &str,
    options: &[&str],
    name: &str,
    text: &str,
) -> Command {
    let suffix = if standard.starts_with("c++") { "cpp" } else { "c" };
    let source = scratch("matrix").join(format!("{name}-{}-{standard}.{suffix}", compiler.c));
    std::fs::write(&source, text).unwrap();
    let mut command = compiler.command(standard);
    // All the way to code: gcc warns of unused results late.
    command.args(options).arg("-c").arg(source).args(["-o", "/dev/null"]);
    command
}

#[test]
fn each_header_stands_alone() {
    for compiler in compilers() {
        let c = "#include <ringws.h>\n#include <ringws.h>\nint main(void) { return 0; }\n";
        for standard in C.into_iter().chain(CXX) {
            succeed(&mut compile(compiler, standard, &[], "header", c));
        }
        let cxx = c.replace("ringws.h", "ringws.hpp");
        for standard in CXX {
            let bare = ["-fno-exceptions", "-fno-rtti"];
            succeed(&mut compile(compiler, standard, &[], "wrapper", &cxx));
            succeed(&mut compile(compiler, standard, &bare, "wrapper", &cxx));
        }
    }
}

#[test]
fn the_wrapper_works_without_exceptions() {
    let source = std::fs::read_to_string(here().join("tests/c/bare.cpp")).unwrap();
    for compiler in compilers() {
        for standard in CXX {
            let bare = ["-fno-exceptions", "-fno-rtti"];
            succeed(&mut compile(compiler, standard, &bare, "bare", &source));
            succeed(&mut compile(compiler, standard, &[], "bare", &source));
        }
    }
}

/// A program around a handler; `good` must compile, so that a failure is the handler's.
fn handler(members: &str, call: &str) -> String {
    format!(
        "#include <ringws.hpp>\n\
         struct H {{ void on_open(rws::reactor, rws_conn) {{}} }};\n\
         struct T {{ {members} }};\n\
         int main() {{ rws::engine e(nullptr); H h; T t; (void)h; (void)t; {call} }}\n"
    )
}

#[test]
fn mistakes_do_not_compile() {
    const LISTEN: &str = "rws_endpoint at = RWS_INIT(rws_endpoint); return e.try_listen(at, t);";
    let good = "void on_message(rws::reactor, rws_conn, const rws_message &) {}";
    let cases = [
        ("void on_mesage(rws::reactor, rws_conn, const rws_message &) {}", LISTEN),
        (
            "void on_open(rws::reactor, rws_conn) {} void on_close(rws::reactor, rws_conn) {}",
            LISTEN,
        ),
        ("void on_open(rws::reactor, rws_conn) {} int on_drain;", LISTEN),
        (
            "void on_open(rws::reactor, rws_conn) {} \
             private: void on_drain(rws::reactor, rws_conn) {}",
            LISTEN,
        ),
        ("void on_upgrade(rws::reactor, rws::upgrade) {}", LISTEN),
        (good, "return e.post(0, [](rws_reactor *, void *) {}, nullptr);"),
        (good, "rws::engine copy = e; return 0;"),
        (good, "e.try_start(); return 0;"),
    ];
    for compiler in compilers() {
        let right = "return e.post(0, [](rws_reactor *, void *) noexcept {}, nullptr);";
        succeed(&mut compile(compiler, "c++17", &[], "right", &handler(good, LISTEN)));
        succeed(&mut compile(compiler, "c++17", &[], "right", &handler(good, right)));
        for (members, call) in cases {
            let text = handler(members, call);
            let mut command = compile(compiler, "c++17", &[], "wrong", &text);
            let compiled = command.output().unwrap().status.success();
            assert!(!compiled, "{} accepts\n{text}", compiler.cxx);
        }
    }
}

/// Each echo server, compiled, run, talked to and stopped.
fn echo(compiler: Compiler, standard: &str, linkage: Linkage) {
    let cxx = standard.starts_with("c++");
    let source = here().join(if cxx { "examples/echo.cpp" } else { "examples/echo.c" });
    let name = format!("echo-{}-{standard}-{linkage:?}", compiler.c);
    let program: PathBuf = scratch("matrix").join(name);
    // The examples are plain POSIX, not bare C.
    let posix: &[&str] = if cxx { &[] } else { &["-D_POSIX_C_SOURCE=200809L"] };
    compiler.program(standard, &source, linkage, posix, &program);
    let server = Server::start(&program, &["0", "200000"]);
    let signal = if linkage == Linkage::Static { "INT" } else { "TERM" };
    converse(server, 200_000, signal, Duration::from_secs(4));
}

#[test]
fn echo_in_c_runs() {
    for compiler in compilers() {
        for standard in ["c11", "c17"] {
            echo(compiler, standard, Linkage::Static);
            echo(compiler, standard, Linkage::Shared);
        }
    }
}

#[test]
fn echo_in_cxx_runs() {
    for compiler in compilers() {
        for standard in CXX {
            echo(compiler, standard, Linkage::Static);
            echo(compiler, standard, Linkage::Shared);
        }
    }
}
