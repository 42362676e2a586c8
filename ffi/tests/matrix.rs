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
/// The last is C++23, as compilers of before its end name it.
const CXX: [&str; 3] = ["c++17", "c++20", "c++2b"];

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
fn coroutines_are_there_from_cxx20_on() {
    let source = std::fs::read_to_string(here().join("tests/c/bare_coro.cpp")).unwrap();
    for compiler in compilers() {
        refused(compiler, "#include <ringws_coro.hpp>\n", "ringws_coro.hpp needs C++20");
        for standard in &CXX[1..] {
            let bare = ["-fno-exceptions", "-fno-rtti"];
            succeed(&mut compile(compiler, standard, &bare, "coro", &source));
            succeed(&mut compile(compiler, standard, &[], "coro", &source));
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

/// A program around the session `T`, the acceptor `A` of such sessions (if `classes` has none), and
/// `call`.
fn program(classes: &str, call: &str) -> String {
    let acceptor = if classes.contains("acceptor<") { "" } else { "using A = rws::acceptor<T>;" };
    format!(
        "#include <functional>\n#include <ringws.hpp>\n#include <string>\n{classes}\n{acceptor}\n\
         int main() {{ rws::engine e; A a; (void)a; {call} }}\n"
    )
}

const LISTEN: &str = "return e.listen(0, a) ? 0 : 1;";
const CONNECT: &str = "return e.connect(\"ws://h\", rws::make_session<T>()) ? 0 : 1;";
const OPEN: &str = "void on_open(rws::connection) {}";

/// Compiles `text`, which must be refused, and with these words.
fn refused(compiler: Compiler, text: &str, words: &str) {
    let output = compile(compiler, "c++17", &[], "wrong", text).output().unwrap();
    assert!(!output.status.success(), "{} accepts\n{text}", compiler.cxx);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(words), "{} does not say \"{words}\":\n{said}\n{text}", compiler.cxx);
}

/// What a session has beside a good `on_open`, and the callback that is named as wrong.
const UNCALLABLE: [(&str, &str); 8] = [
    ("void on_message(rws::connection, int) {}", "on_message"),
    ("void on_message(rws::connection, rws::message &) {}", "on_message"),
    ("template <class M> void on_message(rws_conn, const M &) {}", "on_message"),
    ("void on_message(rws_conn, int) {} void on_message(rws_conn, int *, int) {}", "on_message"),
    ("static void on_close(rws::connection) {}", "on_close"),
    ("void on_drain(rws::connection) && {}", "on_drain"),
    ("int on_drain;", "on_drain"),
    ("void on_pong(rws::connection, int *) {}", "on_pong"),
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
            format!("class T {{ void on_drain(rws::connection) {{}} public: {OPEN} }};"),
            format!("struct B {{ int on_drain; }}; struct T : private B {{ {OPEN} }};"),
        ];
        for session in hidden {
            let words = "on_drain is there but cannot be called with (rws";
            refused(compiler, &program(&session, LISTEN), words);
        }
        let hook = "struct H final { void on_stop(rws::reactor) {} void on_log(char *) {} }; \
                    struct T {};";
        let call = "H h; return rws::engine::make(RWS_INIT(rws_config), h) ? 0 : 1;";
        refused(compiler, &program(hook, call), "on_log is there but cannot be called with (int");
    }
}

/// Acceptors of sessions `T`, as their members are written, and why they are refused.
const ACCEPTORS: [(&str, &str); 9] = [
    ("admission on_upgrade(rws::upgrade) {}", "on_upgrade is there but cannot be called with (rws"),
    ("int on_upgrade(rws::upgrade &) { return 101; }", "on_upgrade must return admission"),
    (
        "rws::admission<int> on_upgrade(rws::upgrade &) { return rws::refuse(403); }",
        "on_upgrade must return the admission of its own session class",
    ),
    ("int on_origin(rws::upgrade &) { return 1; }", "on_origin must return bool"),
    ("void on_request(rws::request) {}", "on_request is there but cannot be called with (rws"),
    ("void on_gone(rws::reactor, int *) {}", "on_gone is there but cannot be called with (rws"),
    ("void on_message(rws::connection, rws::message) {}", "on_close are the session's"),
    ("void on_request(rws::request &) {} int on_close;", "on_close are the session's"),
    (
        "struct Other {}; admission on_upgrade(rws::upgrade &) { \
         return rws::make_session<Other>(); }",
        "",
    ),
];

#[test]
fn each_role_has_its_own_members() {
    let session = format!("struct T {{ {OPEN} }};");
    for compiler in compilers() {
        for (members, words) in ACCEPTORS {
            let classes = format!("{session} struct A : rws::acceptor<T> {{ {members} }};");
            refused(compiler, &program(&classes, LISTEN), words);
        }
        for member in ["int on_upgrade(rws::upgrade &);", "void on_request(rws::request &);"] {
            let classes = format!("struct T {{ {OPEN} {member} }};");
            refused(compiler, &program(&classes, LISTEN), "on_gone are the acceptor's");
        }
        let made = format!("struct T {{ explicit T(int) {{}} {OPEN} }};");
        refused(compiler, &program(&made, LISTEN), "without on_upgrade makes sessions S()");
        let none = "struct T { void on_mesage(rws::connection, rws::message) {} };";
        refused(compiler, &program(none, LISTEN), "no member of the session is a callback");
        let answers = "struct T { int on_open(rws::connection) { return 1; } };";
        refused(compiler, &program(answers, LISTEN), "on_open must return nothing");
        let refusal = format!("struct T {{ {OPEN} void on_refused(rws_refusal &) {{}} }};");
        refused(compiler, &program(&refusal, CONNECT), "on_refused is there but cannot be called");
    }
}

#[test]
fn every_form_of_a_good_member_compiles() {
    for compiler in compilers() {
        for member in [
            OPEN,
            "std::function<void(rws::connection)> on_open;",
            "static void on_open(const rws::connection &) noexcept {} void on_open(int) {}",
            "void on_message(rws::connection, const rws::message &) const {}",
            "template <class M> void on_message(rws::connection c, M m) { c.send(m); }",
        ] {
            for kind in ["struct T", "struct T final"] {
                let text = program(&format!("{kind} {{ {member} }};"), LISTEN);
                succeed(&mut compile(compiler, "c++17", &[], "right", &text));
            }
        }
        for classes in [
            "struct T { virtual ~T() = default; virtual void on_open(rws::connection) = 0; }; \
             struct D final : T { void on_open(rws::connection) override {} }; \
             struct A final : std::string, rws::acceptor<T> { \
             admission on_upgrade(const rws::upgrade &) { return rws::make_session<D>(); } };",
            "struct T; struct A : rws::acceptor<T> { \
             static admission on_upgrade(rws::upgrade &up); bool on_origin(rws::upgrade &); }; \
             struct T { void on_open(rws::connection) {} }; \
             A::admission A::on_upgrade(rws::upgrade &up) { \
             auto later = postpone(up); (void)later; return rws::postponed; } \
             bool A::on_origin(rws::upgrade &) { return true; }",
            "union T { void on_open(rws::connection) {} };",
        ] {
            succeed(&mut compile(compiler, "c++17", &[], "right", &program(classes, LISTEN)));
        }
    }
}

#[test]
fn mistakes_do_not_compile() {
    let good = format!("struct T {{ {OPEN} }};");
    let right = "return e.post(0, [](rws::reactor) {});";
    for compiler in compilers() {
        succeed(&mut compile(compiler, "c++17", &[], "right", &program(&good, right)));
        for (call, words) in [
            ("return e.post(0, [](rws_reactor *, void *) {});", "post takes an f(rws::reactor)"),
            ("e.post(0, [](rws::reactor) {}); return 0;", ""),
            ("rws::engine copy = e; return 0;", ""),
            ("rws::buf b; rws::buf copy = b; return 0;", ""),
            ("A copy = a; return 0;", ""),
            ("e.start(); return 0;", ""),
            ("e.connect(\"ws://h\", rws::make_session<T>()); return 0;", ""),
            ("rws::reactor(nullptr).after(std::chrono::seconds(1), [](rws::reactor) {});", ""),
            ("T t; return e.listen(0, t) ? 0 : 1;", ""),
        ] {
            refused(compiler, &program(&good, call), words);
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
