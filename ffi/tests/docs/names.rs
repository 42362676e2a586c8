//! The names in the documentation.

use super::common::here;
use super::{files, page, read, words};
use ringws::engine::{rws_engine_free, rws_engine_new, rws_engine_start};
use ringws::metrics::rws_engine_metrics;
use ringws::status::rws_status;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::ptr::{null, null_mut};

fn header() -> String {
    read(&here().join("../include/ringws.h"))
}

/// Everything that speaks of functions and numbers.
fn texts() -> Vec<(PathBuf, String)> {
    let ends = [("guide", ".md"), ("man", ".7"), ("samples", "yml"), ("samples", ".json")];
    let all = ends.into_iter().flat_map(|(folder, end)| files(folder, end));
    all.map(|path| (path.clone(), page(&path))).collect()
}

#[test]
fn functions_and_constants_are_those_of_the_header() {
    let header = header();
    let known: BTreeSet<&str> = words(&header, "rws_").chain(words(&header, "RWS_")).collect();
    let mut seen = 0;
    for (path, text) in texts() {
        for name in words(&text, "rws_").chain(words(&text, "RWS_")) {
            // `rws_engine_*`
            let is_family = name.ends_with('_') && known.iter().any(|k| k.starts_with(name));
            assert!(known.contains(name) || is_family, "{}: {name}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 500, "{seen}");
}

/// Fields, callbacks and options that the guide writes as code.
#[test]
fn fields_are_those_of_the_header() {
    let known = header() + &read(&here().join("../README.md")) + KNOWN_ELSEWHERE;
    let known: BTreeSet<&str> = words(&known, "").collect();
    for path in files("guide", ".md") {
        if path.file_name().unwrap().to_str().unwrap().starts_with("from-") {
            continue; // half of what those name is others'
        }
        let text = read(&path);
        for (at, code) in text.split('`').enumerate().filter(|(at, _)| at % 2 == 1) {
            let is_name = code.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            let is_ours = code.contains('_') && !code.starts_with("ringws_");
            if is_name && is_ours && !code.starts_with('_') {
                assert!(known.contains(code), "{}: {code} (span {at})", path.display());
            }
        }
    }
}

/// Of the kernel, of C++, of the programs of the guide.
const KNOWN_ELSEWHERE: &str = "io_context try_ weak_ptr tcp_wmem tcp_rmem give_back io_uring_setup \
                               io_uring_enter io_uring_register set_handler sd_notify \
                               stop_grace_period";

/// The names in the text for Prometheus, each with its labels.
fn exported() -> BTreeMap<String, BTreeSet<String>> {
    let mut engine = null_mut();
    let mut text = vec![0_u8; 1 << 20];
    // SAFETY: no configuration is all defaults; there is room for the pointer and for the text; it
    // is freed once.
    let len = unsafe {
        assert_eq!(rws_engine_new(null(), &mut engine, null_mut()), rws_status::RWS_OK);
        assert_eq!(rws_engine_start(engine, null_mut()), rws_status::RWS_OK);
        let len = rws_engine_metrics(engine, text.as_mut_ptr().cast(), text.len());
        rws_engine_free(engine);
        len
    };
    assert!(len < text.len(), "{len}");
    let text = String::from_utf8(text[..len].to_vec()).unwrap();
    let mut names = BTreeMap::<String, BTreeSet<String>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').unwrap();
        let labels = rest.split_once('}').unwrap().0;
        let labels = labels.split(',').map(|label| label.split_once('=').unwrap().0.to_owned());
        names.entry(name.to_owned()).or_default().extend(labels);
        // A histogram is spoken of without what its parts are called.
        if let Some(histogram) = name.strip_suffix("_bucket") {
            names.entry(histogram.to_owned()).or_default();
        }
    }
    names
}

#[test]
fn numbers_are_those_that_the_engine_exports() {
    let exported = exported();
    let mut seen = BTreeSet::new();
    for (path, text) in texts() {
        // `ringws_coro.hpp` is a header.
        for name in words(&text, "ringws_").filter(|name| *name != "ringws_coro") {
            assert!(exported.contains_key(name), "{}: {name}", path.display());
            seen.insert(name.to_owned());
        }
    }
    assert!(seen.len() > 50, "{seen:?}");
}

/// What is summed by, and chosen by, in the dashboard and the alerts.
#[test]
fn labels_are_those_that_the_numbers_have() {
    let exported = exported();
    let of_prometheus = ["job", "instance", "reactor", "le"];
    for (path, text) in texts() {
        let text = text.replace("\\\"", "\"");
        // An expression is a line in both kinds of files.
        for line in text.lines().filter(|line| line.contains("expr")) {
            let mut labels: BTreeSet<&str> = of_prometheus.into();
            for name in words(line, "ringws_") {
                labels.extend(exported[name].iter().map(String::as_str));
            }
            let summed = line.split("by (").skip(1).map(|rest| rest.split(')').next().unwrap());
            let chosen = line.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
            let chosen = chosen.flat_map(|list| list.split(", ").map(|one| one.split('=').next()));
            let used = summed.flat_map(|list| list.split(", ")).chain(chosen.flatten());
            for label in used {
                assert!(labels.contains(label), "{}: {label} in {line}", path.display());
            }
        }
    }
}

/// The guide measures nothing: what it tells is told where it was measured.
#[test]
fn figures_are_those_of_their_sources() {
    let root = here().join("..");
    let sources = ["README.md", "engine/ARCHITECTURE.md"];
    let sources: String = sources.iter().map(|source| read(&root.join(source))).collect();
    let number = |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    let apart = |c: char| !c.is_ascii_digit() && c != '.';
    let known: BTreeSet<&str> = sources.split(apart).map(|word| word.trim_matches('.')).collect();
    let mut seen = 0;
    for name in ["honest-limits.md", "sizing.md", "tls.md", "kernel.md"] {
        let text = read(&here().join("docs/guide").join(name));
        for figure in text.split(apart).map(|word| word.trim_matches('.')).filter(number) {
            // Versions, of TLS, of this library, and of the Linux since which somaxconn is 4096; an
            // address.
            let other = ["1.0", "1.2", "1.3", "5.4", "127.0.0.1"].contains(&figure);
            assert!(other || known.contains(figure), "{name}: {figure}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_function_has_exactly_one_manual_page() {
    let header = header();
    let functions = header.split_once("extern \"C\"").unwrap().1;
    // Comments name functions without a parenthesis.
    let called = |word: &&str| functions.contains(&format!("{word}("));
    let functions: BTreeSet<&str> = words(functions, "rws_").filter(called).collect();
    assert!(functions.len() > 100, "{}", functions.len());
    let pages = read(&here().join("docs/man/pages"));
    let members = pages.lines().filter(|line| !line.starts_with(['#', '[']));
    let members: Vec<&str> = members.flat_map(str::split_whitespace).collect();
    for function in &functions {
        let pages = members.iter().filter(|member| *member == function).count();
        assert_eq!(pages, 1, "pages of {function} in ffi/docs/man/pages");
    }
    for member in members.iter().filter(|member| member.starts_with("rws_")) {
        assert!(words(&header, member).any(|word| word == *member), "no {member} in the header");
    }
}
