//! The rules, each a function from one file to what is wrong with it.

use super::source::{blank, functions, is_word, line_of, matching_brace, occurrences};

/// One file of the repository.
pub(crate) struct File {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// What is wrong, as `path:line: rule`.
pub(crate) type Findings = Vec<String>;

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

/// The modules of the engine and the floors they stand on.
const FLOORS: [(&str, u8); 26] = [
    ("tick", 0),
    ("random", 0),
    ("proto", 0),
    ("codec", 0),
    ("memory", 0),
    ("simd", 0),
    ("conn", 1),
    ("ring", 1),
    ("tls", 1),
    ("aio", 1),
    ("bus", 1),
    ("reactor", 2),
    ("attached", 3),
    ("broker", 3),
    ("config", 3),
    ("engine", 3),
    ("error", 3),
    ("handler", 3),
    ("listen", 3),
    ("passed", 3),
    ("succession", 3),
    ("thread", 3),
    ("memory_max", 3),
    ("nats", 3),
    ("resolve", 3),
    ("sim", 4),
];

/// Those of them that consist of several files: none of these may name one that names it.
pub(crate) const MODULES: [&str; 14] = [
    "proto",
    "codec",
    "memory",
    "simd",
    "conn",
    "ring",
    "tls",
    "aio",
    "bus",
    "reactor",
    "broker",
    "nats",
    "sim",
    "succession",
];

/// Where `unsafe` may stand: the floors that need it, the ceilings of the benchmarks (rings of
/// their own), and the allocator that counts.
const UNSAFE_ALLOWED: [&str; 5] = [
    "engine/src/simd",
    "engine/src/ring",
    "ffi/",
    "bench-harness/src/ring",
    "engine/tests/warm.rs",
];

/// What protocol code must not see: a descriptor, a clock, a thread, a random source.
const IMPURE: [&str; 15] = [
    "std::net",
    "std::os",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::time",
    "Instant",
    "SystemTime",
    "rand",
    "fastrand",
    "getrandom",
    "libc",
    "rustix",
    "io_uring",
];

/// All rules on one file.
pub(crate) fn check(file: &File) -> Findings {
    let code = blank(&file.text);
    let rules = [sizes, unsafe_places, unfinished, layering, purity];
    rules.iter().flat_map(|rule| rule(file, &code)).collect()
}

pub(crate) fn finding(file: &File, line: usize, what: impl std::fmt::Display) -> String {
    format!("{}:{line}: {what}", file.path)
}

/// Files, functions and lines that have grown too long to be read.
fn sizes(file: &File, code: &str) -> Findings {
    let mut found = Vec::new();
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(finding(file, lines, format!("file of {lines} lines")));
    }
    for (index, line) in file.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS_MAX {
            found.push(finding(file, index + 1, format!("line of {columns} columns")));
        }
    }
    for (name, first, last) in functions(code) {
        let lines = last - first + 1;
        if lines > FUNCTION_LINES_MAX {
            found.push(finding(file, first, format!("fn {name} has {lines} lines")));
        }
    }
    found
}

/// `unsafe` outside its places, or without a reason.
fn unsafe_places(file: &File, code: &str) -> Findings {
    let allowed = UNSAFE_ALLOWED.iter().any(|place| file.path.starts_with(place));
    let mut found = Vec::new();
    for at in occurrences(code, "unsafe") {
        let line = line_of(code, at);
        let rest = code[at + "unsafe".len()..].trim_start();
        if rest.starts_with('(') {
            // `#[unsafe(no_mangle)]` is an attribute; where it may stand is the compiler's affair.
            continue;
        }
        if !allowed {
            found.push(finding(file, line, "unsafe outside its places"));
        }
        let promises = rest.starts_with('{') || rest.starts_with("impl");
        if promises && !has_reason(&file.text, line) {
            found.push(finding(file, line, "unsafe without a SAFETY comment"));
        }
    }
    found
}

/// Whether a line gives a reason. What refers to another comment is none: it is true there.
fn is_reason(line: &str) -> bool {
    let refers = ["SAFETY: as above", "SAFETY: see above", "SAFETY: the same"];
    line.contains("SAFETY:") && !refers.iter().any(|other| line.contains(other))
}

/// Whether a comment with `SAFETY:` stands on the line, or before the statement it is part of.
fn has_reason(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    if is_reason(lines[line - 1]) {
        return true;
    }
    let mut code_lines = 0;
    for above in lines[..line - 1].iter().rev().map(|above| above.trim()) {
        if above.starts_with("//") {
            if is_reason(above) {
                return true;
            }
            continue;
        }
        // A statement may begin a few lines before its unsafe block, but not beyond its end.
        code_lines += 1;
        let ended = above.ends_with(';') || above.ends_with('}') || above.is_empty();
        if ended || code_lines > 4 {
            return false;
        }
    }
    false
}

/// What must not be left behind.
fn unfinished(file: &File, code: &str) -> Findings {
    let mut found = Vec::new();
    for word in ["todo!", "unimplemented!", "dbg!", "#[ignore"] {
        for (at, _) in code.match_indices(word) {
            let within = word.starts_with(is_word) && code[..at].ends_with(is_word);
            if !within {
                found.push(finding(file, line_of(code, at), format!("{word} left in the code")));
            }
        }
    }
    found
}

/// The module of a path under `engine/src`.
fn module_of(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("engine/src/")?;
    let first = inside.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// Names that point up, or from `conn` to `ring` or back.
fn layering(file: &File, code: &str) -> Findings {
    let Some(module) = module_of(&file.path) else { return Vec::new() };
    if module == "lib" {
        return Vec::new();
    }
    let Some(floor) = floor_of(module) else {
        return vec![finding(file, 1, format!("module {module} has no floor"))];
    };
    let mut found = Vec::new();
    for (at, named) in roots(code, depth(&file.path)) {
        let Some(of_named) = floor_of(&named) else { continue };
        let strangers = [("conn", "ring"), ("ring", "conn"), ("aio", "ring"), ("ring", "aio")];
        if of_named > floor || strangers.contains(&(module, named.as_str())) {
            found.push(finding(file, line_of(code, at), format!("{module} names {named}")));
        }
    }
    found
}

/// How many modules deep a file lies: 1 for `engine/src/conn/mod.rs`.
fn depth(path: &str) -> usize {
    let inside = path.trim_start_matches("engine/src/").trim_end_matches("/mod.rs");
    inside.split('/').count()
}

/// The top-level modules that a text names by `crate::` or by enough `super::`, and where.
fn roots(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for prefix in ["crate::".to_owned(), "super::".repeat(depth)] {
        for (at, _) in code.match_indices(&prefix) {
            if code[..at].ends_with(is_word) {
                continue;
            }
            let rest = code[at + prefix.len()..].trim_start_matches("super::");
            found.extend(first_names(rest).into_iter().map(|name| (at, name)));
        }
    }
    found
}

/// `a` of `a::b`, and both `a` and `c` of `{a::b, c::{d, e}}`.
fn first_names(rest: &str) -> Vec<String> {
    let word = |text: &str| text.trim().chars().take_while(|&c| is_word(c)).collect::<String>();
    let Some(inside) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let end = matching_brace(rest, 0).unwrap_or(rest.len());
    let mut depth = 0;
    let parts = inside[..end - 1].split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(word).collect()
}

/// Protocol code that sees a descriptor, a clock, a thread or a random source.
fn purity(file: &File, code: &str) -> Findings {
    if !matches!(module_of(&file.path), Some("proto" | "conn" | "bus")) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for word in IMPURE {
        for at in occurrences(code, word) {
            found.push(finding(file, line_of(code, at), format!("protocol code names {word}")));
        }
    }
    found
}
