//! What programs that were compiled with an earlier header of this ABI rely on: the declarations of
//! `ringws.h`, kept as data in `abi/<major>.<minor>.txt`. What is there may be added to, and in no
//! other way changed.
//!
//! `RINGWS_BLESS=1 cargo test -p ringws-ffi --test abi` writes the file. Once a version is
//! released it may be written anew only for what was added; a change that this test finds then
//! wants a new minor version (1.0 and later: major), and its own file. That the declarations are
//! what the library has, is seen by `header.rs`, `layout.rs` and `symbols.rs`.

mod common;

use common::{compilers, here, scratch, succeed};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Lent to callbacks, and made by the engine alone: they may grow although they tell no size.
const LENT: [&str; 6] =
    ["rws_close_info", "rws_drained", "rws_gap", "rws_handed_over", "rws_message", "rws_refusal"];

fn header() -> String {
    std::fs::read_to_string(here().join("../include/ringws.h")).unwrap()
}

fn without_comments(header: &str) -> String {
    let mut parts = header.split("/*");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + part.split_once("*/").unwrap().1)
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The fields of a struct, in order.
fn fields(body: &str) -> Vec<String> {
    body.split(';').map(words).filter(|field| !field.is_empty()).collect()
}

/// Those of the structs that are made by the program and say their size.
fn is_sized(fields: &[String]) -> bool {
    fields[0] == "uint32_t size"
}

/// Name and body of each struct that is not opaque, and of each enum.
fn bodies<'h>(header: &'h str, kind: &str) -> Vec<(&'h str, &'h str)> {
    let start = format!("typedef {kind} {{");
    let parts = header.split(start.as_str()).skip(1);
    parts
        .map(|part| {
            let (body, rest) = part.split_once('}').unwrap();
            (rest.split(';').next().unwrap().trim(), body)
        })
        .collect()
}

/// What a program may rely on, a line each.
fn facts(header: &str) -> BTreeSet<String> {
    let text = without_comments(header);
    let mut facts = BTreeSet::new();
    let constants = text.lines().filter_map(|line| line.strip_prefix("#define RWS_"));
    for constant in constants.filter(|constant| !constant.starts_with("VERSION")) {
        facts.insert(format!("RWS_{}", words(constant)));
    }
    for (name, body) in bodies(&text, "enum") {
        for value in body.split(',').map(words).filter(|value| !value.is_empty()) {
            facts.insert(format!("{name} {value}"));
        }
    }
    for (name, body) in bodies(&text, "struct") {
        let fields = fields(body);
        if !is_sized(&fields) && !LENT.contains(&name) {
            facts.insert(format!("{name} has {} fields", fields.len()));
        }
        for (number, field) in fields.iter().enumerate() {
            facts.insert(format!("{name} {number}: {field}"));
        }
    }
    for line in text.lines().filter(|line| line.starts_with("typedef") && line.contains(';')) {
        facts.insert(words(line));
    }
    let functions = text.split("extern \"C\" {").nth(1).unwrap().split("#endif").nth(1).unwrap();
    for function in functions.split(';').map(words).filter(|function| function.contains('(')) {
        facts.insert(function.trim_start_matches("RWS_MUST_USE ").to_owned());
    }
    facts
}

fn kept() -> PathBuf {
    let abi = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    here().join(format!("tests/abi/{abi}.txt"))
}

#[test]
fn what_programs_rely_on_is_still_there() {
    let now = facts(&header());
    assert!(now.len() > 450, "only {} declarations are found", now.len());
    if std::env::var_os("RINGWS_BLESS").is_some() {
        std::fs::write(kept(), now.iter().map(|fact| format!("{fact}\n")).collect::<String>())
            .unwrap();
    }
    let kept = std::fs::read_to_string(kept()).unwrap();
    let gone: Vec<&str> = kept.lines().filter(|line| !now.contains(*line)).collect();
    assert!(gone.is_empty(), "removed or changed: {gone:#?}");
}

/// The declarations of every kind, and what is said when one is changed or taken away.
#[test]
fn changes_are_found() {
    let header = header();
    let before = facts(&header);
    for (from, to) in [
        ("RWS_TEXT               1", "RWS_TEXT               3"),
        ("RWS_E_GONE = -6", "RWS_E_GONE = -60"),
        ("uint8_t ip[16]", "uint8_t ip[4]"),
        ("} rws_bytes;", "int more; } rws_bytes;"),
        ("typedef uint8_t rws_opcode", "typedef int rws_opcode"),
        ("typedef struct rws_buf rws_buf;", ""),
        ("void rws_engine_free(rws_engine *e);", ""),
        ("rws_engine *e, uint32_t grace_ms", "rws_engine *e, uint64_t grace_ms"),
    ] {
        assert!(header.contains(from), "{from}");
        let after = facts(&header.replacen(from, to, 1));
        assert!(!after.is_superset(&before), "{from} -> {to} is not seen");
    }
    // A sized struct may grow.
    let grown = facts(&header.replacen("} rws_config;", "  int more;\n} rws_config;", 1));
    assert!(grown.is_superset(&before) && grown.len() == before.len() + 1);
}

/// A field that is added where a struct ended in padding would not change its size: what an old
/// program left there would be taken for it.
#[test]
fn sized_structs_do_not_end_in_padding() {
    let text = without_comments(&header());
    let mut source = String::from("#include <ringws.h>\nint main(void) { return 0; }\n");
    let mut count = 0;
    for (name, body) in bodies(&text, "struct") {
        let fields = fields(body);
        if !is_sized(&fields) {
            continue;
        }
        let last = fields.last().unwrap();
        // `uint32_t reserved`, `const char *host`, `void (*on_gone)(…)`, `uint8_t ip[16]`
        let declared = last.split_once("(*").map_or(last.as_str(), |(_, rest)| rest);
        let end = declared.find([')', '[']).unwrap_or(declared.len());
        let field = declared[..end].rsplit([' ', '*']).next().unwrap();
        source += &format!(
            "_Static_assert(sizeof({name}) == offsetof({name}, {field}) + \
             sizeof((({name} *)0)->{field}), \"{name} ends in padding\");\n"
        );
        count += 1;
    }
    assert!(count >= 9, "only {count} sized structs");
    let path = scratch("abi").join("padding.c");
    std::fs::write(&path, source).unwrap();
    succeed(compilers()[0].command("c11").arg("-fsyntax-only").arg(path));
}
