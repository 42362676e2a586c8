//! The README shows what is there: its programs are the examples, its commands are those of the
//! checks.

#[path = "common/markdown.rs"]
mod markdown;

use markdown::blocks;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_programs_are_the_examples() {
    let readme = read("README.md");
    for language in ["c", "cpp"] {
        let programs = blocks(&readme, language);
        assert_eq!(programs.len(), 1);
        assert_eq!(programs[0], read(&format!("ffi/examples/echo.{language}")));
    }
}

#[test]
fn every_command_is_run_by_the_checks() {
    let readme = read("README.md");
    let checks = read(".ci/run");
    let mut blocks = blocks(&readme, "sh");
    // These are run by `nats/engines.rs`.
    let before = blocks.len();
    blocks.retain(|block| !block.contains("ffi/examples/cluster.c"));
    assert!(blocks.len() == before - 1 && checks.contains("cargo test-long"));
    assert!(read(".cargo/config.toml").contains(" --test nats"));
    let commands: Vec<&str> = blocks.iter().flat_map(|block| block.lines()).collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        assert!(checks.contains(command), "not in .ci/run: {command}");
    }
}

#[test]
fn every_file_it_links_to_is_there() {
    // In C++ a lambda looks like a link.
    let readme: String = read("README.md").split("```").step_by(2).collect();
    let links = readme.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    for link in links.filter(|link| !link.starts_with("http")) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(link);
        assert!(path.exists(), "{link}");
    }
}
