//! Style and layering, checked by reading the sources: what the compiler does not enforce.

#[path = "floors/rules.rs"]
mod rules;
#[path = "floors/source.rs"]
mod source;

use rules::{File, Findings, check};
use std::path::{Path, PathBuf};

/// All Rust sources of the repository.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    let read = |path: PathBuf| File {
        path: path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(),
        text: std::fs::read_to_string(&path).unwrap(),
    };
    paths.into_iter().map(read).collect()
}

fn collect(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            collect(&path, into);
        } else if name.ends_with(".rs") {
            into.push(path);
        }
    }
}

#[test]
fn the_sources_keep_the_rules() {
    let files = files();
    assert!(files.len() > 30, "only {} sources found", files.len());
    let findings: Findings = files.iter().flat_map(check).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// The checker itself: each rule finds what it is for, and lets pass what is right.
mod checker {
    use super::rules::{File, check};
    use super::source::{blank, functions};

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&File { path: path.to_owned(), text: text.to_owned() })
    }

    fn one(path: &str, text: &str, what: &str) {
        let found = findings(path, text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(what), "{found:?}");
    }

    fn none(path: &str, text: &str) {
        assert_eq!(findings(path, text), [""; 0]);
    }

    #[test]
    fn imports_that_point_up() {
        one("engine/src/proto/utf8.rs", "use crate::conn::Limits;", "proto names conn");
        one("engine/src/ring/uring.rs", "use crate::{tick::Tick, reactor::{A, B}};", "reactor");
        one("engine/src/ring/op/mod.rs", "use super::super::conn::Env;", "ring names conn");
        one("engine/src/conn/mod.rs", "fn f() -> crate::ring::Token {}", "conn names ring");
        one("engine/src/reactor/ctx.rs", "use crate::engine::Handle;", "reactor names engine");
        one("engine/src/conn/mod.rs", "use super::engine::Engine;", "conn names engine");
        one("engine/src/stray.rs", "", "module stray has no floor");
        none("engine/src/conn/mod.rs", "use crate::{proto::Input, memory::{Batch, Pool}};");
        none("engine/src/reactor/mod.rs", "use crate::conn::Env;\nuse crate::ring::Kernel;");
        none("engine/src/conn/mod.rs", "// crate::ring\nconst S: &str = \"crate::ring\";");
        none(
            "engine/src/conn/state.rs",
            "use super::limits;\nmod tests { use super::super::Env; }",
        );
        none("ffi/src/lib.rs", "use crate::engine::Handle;");
    }

    #[test]
    fn impure_protocol_code() {
        one("engine/src/conn/deadline.rs", "use std::net::SocketAddr;", "std::net");
        one("engine/src/proto/mask.rs", "fn f() { rand::random() }", "rand");
        assert_eq!(findings("engine/src/conn/a.rs", "use std::time::Instant;").len(), 2);
        none("engine/src/reactor/mod.rs", "use std::time::Duration;");
        none("engine/src/proto/mask.rs", "// rand\nlet operand = brand;");
    }

    #[test]
    fn misplaced_and_unexplained_unsafe() {
        let good = "fn f() {\n    // SAFETY: p is valid.\n    let x =\n        unsafe { *p };\n}";
        none("engine/src/ring/a.rs", good);
        one("engine/src/conn/a.rs", good, "outside its places");
        let far = "fn f() {\n    // SAFETY: p.\n    let y = 1;\n    let x = unsafe { *p };\n}";
        one("engine/src/simd/a.rs", far, "without a SAFETY comment");
        one("ffi/src/a.rs", "unsafe impl Send for T {}", "without a SAFETY comment");
        let referred = "// SAFETY: as above.\nunsafe impl Send for T {}";
        one("ffi/src/a.rs", referred, "without a SAFETY comment");
        none("ffi/src/a.rs", "#[unsafe(no_mangle)]\npub unsafe extern \"C\" fn f() {}");
        none("engine/src/conn/a.rs", "#![forbid(unsafe_code)]");
    }

    #[test]
    fn sizes_beyond_the_caps() {
        let body = |lines: usize| format!("fn long() {{\n{}}}\n", "    x();\n".repeat(lines));
        none("ffi/src/a.rs", &body(68));
        one("ffi/src/a.rs", &body(69), "fn long has 71 lines");
        none("ffi/src/a.rs", &"\n".repeat(400));
        one("ffi/src/a.rs", &"\n".repeat(401), "file of 401 lines");
        none("ffi/src/a.rs", &"é".repeat(100));
        one("ffi/src/a.rs", &"é".repeat(101), "line of 101 columns");
    }

    #[test]
    fn unfinished_work() {
        one("ffi/src/a.rs", "fn f() { todo!() }", "todo!");
        one("ffi/src/a.rs", "fn f() { unimplemented!(\"x\") }", "unimplemented!");
        one("ffi/src/a.rs", "fn f() { dbg!(1); }", "dbg!");
        one("ffi/src/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", "#[ignore");
        none("ffi/src/a.rs", "// todo!\nconst S: &str = \"dbg!\";");
    }

    #[test]
    fn literals_are_blanked() {
        let text = r##"a("//", 'x', '\'', r#"" fn "#) /* /* { */ } */ b<'a> // fn"##;
        let code = blank(text);
        assert_eq!(code.chars().count(), text.chars().count());
        assert_eq!(code.split_whitespace().collect::<String>(), "a(,,,)b<'a>");
    }

    #[test]
    fn functions_are_measured() {
        let found = functions("fn a() -> [u8; 2] {\n fn b();\n}\ntype T = fn(u8);\n");
        assert_eq!(found, [("a".to_owned(), 1, 3)]);
    }
}
