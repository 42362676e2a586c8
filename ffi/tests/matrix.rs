//! The headers and the programs under every compiler and standard we promise: without a warning,
//! linked both ways, and run.

mod common;

use common::server::Server;
use common::websocket::converse;
use common::{Compiler, Linkage, compilers, here, scratch, succeed};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
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
    // The tests of this file run side by side: each source is a file of its own.
    static SOURCES: AtomicU32 = AtomicU32::new(0);
    let number = SOURCES.fetch_add(1, Ordering::Relaxed);
    let suffix = if standard.starts_with("c++") { "cpp" } else { "c" };
    let source = scratch("matrix").join(format!("{name}-{number}.{suffix}"));
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

/// A program around the handler `T`.
fn program(handler: &str, call: &str) -> String {
    format!(
        "#include <functional>\n#include <ringws.hpp>\n#include <string>\n{handler}\n\
         int main() {{ rws::engine e(nullptr); T t; (void)t; {call} }}\n"
    )
}

const LISTEN: &str = "rws_endpoint at = RWS_INIT(rws_endpoint); return e.try_listen(at, t);";
const OPEN: &str = "void on_open(rws::reactor, rws_conn) {}";

/// Compiles `text`, which must be refused, and with these words.
fn refused(compiler: Compiler, text: &str, words: &str) {
    let output = compile(compiler, "c++17", &[], "wrong", text).output().unwrap();
    assert!(!output.status.success(), "{} accepts\n{text}", compiler.cxx);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(words), "{} does not say \"{words}\":\n{said}\n{text}", compiler.cxx);
}

/// What a handler has beside a good `on_open`, and the callback that is named as wrong.
const UNCALLABLE: [(&str, &str); 12] = [
    ("void on_message(rws::reactor, rws_conn, int) {}", "on_message"),
    ("void on_message(rws::reactor, rws_conn, rws_message &) {}", "on_message"),
    ("static void on_message(rws_conn) {}", "on_message"),
    ("void on_message(rws_conn, int) {} void on_message(rws_conn, int *, int) {}", "on_message"),
    ("template <class M> void on_message(rws_conn, const M &) {}", "on_message"),
    ("void on_close(rws::reactor, rws_conn) {}", "on_close"),
    ("void on_pong(rws::reactor, rws_conn, int *) {}", "on_pong"),
    ("void on_drain(rws::reactor, rws_conn) && {}", "on_drain"),
    ("int on_drain;", "on_drain"),
    ("void on_refused(rws::reactor, rws_conn) {}", "on_refused"),
    ("int on_upgrade(rws::upgrade) { return 101; }", "on_upgrade"),
    ("void on_gone(rws::reactor, int *) {}", "on_gone"),
];

#[test]
fn a_member_that_cannot_be_called_does_not_compile() {
    for compiler in compilers() {
        for (member, name) in UNCALLABLE {
            for kind in ["struct T", "struct T final", "union T"] {
                let text = program(&format!("{kind} {{ {OPEN} {member} }};"), LISTEN);
                refused(
                    compiler,
                    &text,
                    &format!("{name} is there but cannot be called with (rws"),
                );
            }
        }
        let hidden = [
            format!("class T {{ void on_drain(rws::reactor, rws_conn) {{}} public: {OPEN} }};"),
            format!("struct B {{ int on_drain; }}; struct T : private B {{ {OPEN} }};"),
        ];
        for handler in hidden {
            let words = "on_drain is there but cannot be called with (rws";
            refused(compiler, &program(&handler, LISTEN), words);
        }
        let hook = "struct T final { void on_stop(rws::reactor) {} void on_log(char *) {} };";
        let call = "rws_config config = RWS_INIT(rws_config); rws::set_hooks(config, t);";
        refused(compiler, &program(hook, call), "on_log is there but cannot be called with (int");
    }
}

#[test]
fn a_member_that_answers_what_nobody_asks_does_not_compile() {
    for compiler in compilers() {
        for (member, words) in [
            ("void on_upgrade(rws::reactor, rws::upgrade) {}", "on_upgrade must return int"),
            (
                "bool on_upgrade(rws::reactor, rws::upgrade) { return true; }",
                "on_upgrade must return int",
            ),
            (
                "int on_origin(rws::reactor, rws::upgrade) { return 403; }",
                "on_origin must return bool",
            ),
            ("int on_open(rws::reactor, rws_conn) { return 1; }", "on_open must return nothing"),
        ] {
            for kind in ["struct T", "struct T final"] {
                let text = program(&format!("{kind} {{ {member} }};"), LISTEN);
                refused(compiler, &text, words);
            }
        }
    }
}

#[test]
fn every_form_of_a_good_member_compiles() {
    for compiler in compilers() {
        for member in [
            OPEN,
            "std::function<void(rws::reactor, rws_conn)> on_open;",
            "static void on_open(rws::reactor, rws_conn) noexcept {} void on_open(int) {}",
            "void on_message(rws::reactor, rws_conn, rws_message) const {}",
            "template <class M> void on_message(rws::reactor, rws_conn, M &m) { (void)m.len; }",
            "enum S { go = 101 }; S on_upgrade(rws::reactor, rws::upgrade) { return go; }",
        ] {
            for kind in ["struct T", "struct T final"] {
                let text = program(&format!("{kind} {{ {member} }};"), LISTEN);
                succeed(&mut compile(compiler, "c++17", &[], "right", &text));
            }
        }
        let union = program(&format!("union T {{ {OPEN} }};"), LISTEN);
        succeed(&mut compile(compiler, "c++17", &[], "right", &union));
        let derived = "struct A { virtual ~A() = default; \
                       virtual void on_open(rws::reactor, rws_conn) = 0; }; \
                       struct T : A { void on_open(rws::reactor, rws_conn) override {} };";
        succeed(&mut compile(compiler, "c++17", &[], "right", &program(derived, LISTEN)));
    }
}

/// A handler may begin elsewhere than the part of it that the engine calls: which part, is said.
#[test]
fn set_handler_wants_the_class_by_name() {
    let handlers = "struct A { int a; }; struct T { void on_open(rws::reactor, rws_conn) {} }; \
                    struct Both : A, T {}; struct Other {};";
    let with =
        |call: &str| program(handlers, &format!("rws::reactor r(nullptr); {call} return 0;"));
    let words = "name the class that was given to listen or connect";
    let not = "the handler is not of the class that set_handler<H> names, nor derived from it";
    for compiler in compilers() {
        for call in ["Both h; (void)r.set_handler({1}, h);", "(void)r.set_handler({1}, t);"] {
            refused(compiler, &with(call), words);
        }
        refused(compiler, &with("Both h; rws::upgrade(nullptr).set_handler(h);"), words);
        refused(compiler, &with("Other h; (void)r.set_handler<T>({1}, h);"), not);
        for call in ["Both h; (void)r.set_handler<T>({1}, h);", "(void)r.set_handler<T>({1}, t);"] {
            succeed(&mut compile(compiler, "c++17", &[], "right", &with(call)));
        }
    }
}

#[test]
fn mistakes_do_not_compile() {
    let good = format!("struct T {{ {OPEN} }};");
    let right = "return e.post(0, [](rws_reactor *, void *) noexcept {}, nullptr);";
    let none = "struct T { void on_mesage(rws::reactor, rws_conn, const rws_message &) {} };";
    for compiler in compilers() {
        succeed(&mut compile(compiler, "c++17", &[], "right", &program(&good, right)));
        refused(compiler, &program(none, LISTEN), "no member of the handler is a callback");
        for call in [
            "return e.post(0, [](rws_reactor *, void *) {}, nullptr);",
            "rws::engine copy = e; return 0;",
            "e.try_start(); return 0;",
        ] {
            refused(compiler, &program(&good, call), "");
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
