//! Style and layering, checked by reading the sources: what the compiler does not enforce.

#[path = "floors/ranks.rs"]
mod ranks;
#[path = "floors/rules.rs"]
mod rules;
#[path = "floors/source.rs"]
mod source;

use ranks::{RANKS, check_circles, check_ranks};
use rules::{File, Findings, MODULES, check};
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
    let mut findings: Findings = files.iter().flat_map(check).collect();
    findings.extend(RANKS.iter().flat_map(|table| check_ranks(&files, table)));
    findings.extend(MODULES.iter().flat_map(|module| check_circles(&files, module)));
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// The checker itself: each rule finds what it is for, and lets pass what is right.
mod checker {
    use super::ranks::{Ranks, check_circles, check_ranks};
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

    const TABLE: Ranks = Ranks {
        module: "conn",
        ranks: &[&["clock", "way/low"], &["queue", "event"], &["state"], &["way"]],
        known: &[],
    };

    /// What is wrong with a module of these files, beside a `mod.rs` that passes names on.
    fn ranked(table: &Ranks, files: &[(&str, &str)]) -> Vec<String> {
        const ROOT: &str = "mod clock;\npub use state::Connection;\n\
                            pub(crate) use way::low::{Batch, Part};\npub struct Flags;";
        let all = files.iter().chain(&[("mod.rs", ROOT)]);
        let file = |(name, text): &(&str, &str)| File {
            path: format!("engine/src/conn/{name}"),
            text: (*text).to_owned(),
        };
        check_ranks(&all.map(file).collect::<Vec<_>>(), table)
    }

    #[test]
    fn names_that_point_up_inside_a_module() {
        const OTHERS: [(&str, &str); 3] =
            [("state.rs", ""), ("way/low.rs", ""), ("way/mod.rs", "use self::low::Part;")];
        for (name, text, named) in [
            ("clock.rs", "use super::state::Expecting;", "clock names state"),
            ("clock.rs", "use crate::conn::state::Expecting;", "clock names state"),
            ("clock.rs", "use crate::{tick::Tick, conn::{Flags, way::Way}};", "clock names way"),
            ("clock.rs", "fn f() -> super::Connection {}", "clock names state"),
            ("queue.rs", "use super::{Flags, Connection};", "queue names state"),
            ("queue.rs", "use super::event::Event;", "queue names event"),
            ("clock.rs", "use super::way::low::Part;", "clock names way/low"),
            ("clock.rs", "use super::Batch;", "clock names way/low"),
            ("way/low.rs", "use super::Way;", "way/low names way"),
            ("way/low.rs", "use super::super::state::Expecting;", "way/low names state"),
            ("stray.rs", "", "stray has no rank"),
        ] {
            let event = [("event.rs", ""), (name, text)];
            let others = OTHERS.iter().filter(|(other, _)| *other != name);
            let files: Vec<_> = others.chain(&event).copied().collect();
            let found = ranked(&TABLE, &files);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains(named), "{text}: {found:?}");
        }
    }

    #[test]
    fn names_that_point_down_inside_a_module() {
        for (name, text) in [
            ("state.rs", "use super::clock::{self, Clock};\nuse crate::conn::way::low::Part;"),
            ("state.rs", "use super::{Batch, Flags};\nuse crate::ring::state::Ring;"),
            ("state.rs", "use crate::conn::state::Expecting;\npub(in crate::conn) fn f() {}"),
            ("clock.rs", "// super::state\nconst S: &str = \"super::state\";"),
            ("clock.rs", "fn f() {}\nmod tests {\n    use super::super::Connection;\n}"),
            ("tests/clock.rs", "use super::super::state::Expecting;"),
            ("way/mod.rs", "use super::Connection;\nuse self::low::Part;"),
        ] {
            let all = ["clock.rs", "state.rs", "way/low.rs", "way/mod.rs"];
            let others = all.iter().filter(|other| **other != name).map(|other| (*other, ""));
            let files: Vec<_> = others.chain([(name, text)]).collect();
            assert_eq!(ranked(&TABLE, &files), [""; 0], "{text}");
        }
    }

    #[test]
    fn names_that_are_known_to_point_up() {
        let table = Ranks { known: &[("clock", "state")], ..TABLE };
        let up = ("clock.rs", "use super::state::Expecting;");
        assert_eq!(ranked(&table, &[up, ("state.rs", "")]), [""; 0]);
        let found = ranked(&table, &[("clock.rs", ""), ("state.rs", "")]);
        assert_eq!(found, ["clock does not name state any more"]);
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
    fn circles_of_imports() {
        let file =
            |(path, text): (&str, &str)| File { path: path.to_owned(), text: text.to_owned() };
        let found = |c: &str| {
            let all = [
                ("engine/src/ring/mod.rs", "mod a;\nmod b;\nmod c;\npub use a::A;"),
                ("engine/src/ring/a.rs", "use super::b::B;"),
                ("engine/src/ring/b.rs", "use crate::ring::c::C;"),
                ("engine/src/ring/c.rs", c),
            ];
            check_circles(&all.map(file), "ring")
        };
        assert_eq!(found("use crate::memory::Pool;"), [""; 0]);
        for circle in ["use super::a::A;", "use super::A;", "fn f() -> crate::ring::b::B {}"] {
            let found = found(circle);
            assert!(found.len() == 1 && found[0].contains("circles"), "{circle}: {found:?}");
        }
    }

    #[test]
    fn functions_are_measured() {
        let found = functions("fn a() -> [u8; 2] {\n fn b();\n}\ntype T = fn(u8);\n");
        assert_eq!(found, [("a".to_owned(), 1, 3)]);
    }
}
