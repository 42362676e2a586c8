//! What the library is made of: the licences that must go with it (`ffi/THIRD-PARTY.txt`) and its
//! bill of materials (`ffi/sbom.cdx.json`, CycloneDX) are those of `Cargo.lock`. No network is
//! needed. `RINGWS_WRITE=1 cargo test -p ringws-ffi --test supply` writes them anew.

mod common;

use common::{here, stdout_of};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A build that has all: what a smaller one links is among it. Without macros, and without what
/// only builds and tests need.
const TREE: [&str; 13] = [
    "tree",
    "--offline",
    "--locked",
    "--package=ringws-ffi",
    "--features=tls,nats,mimalloc",
    "--target=x86_64-unknown-linux-gnu",
    "--edges=normal,no-proc-macro",
    "--prefix=none",
    "--no-dedupe",
    "--format={p}",
    "--color=never",
    "--quiet",
    "--manifest-path",
];
/// Where all packages lie, and what each may need: features of the whole workspace are among it.
const METADATA: [&str; 5] =
    ["metadata", "--format-version=1", "--offline", "--locked", "--manifest-path"];

struct Package {
    name: String,
    version: String,
    licence: String,
    folder: String,
    /// Of the crate as it was fetched; none for our own.
    checksum: Option<String>,
    /// Keys, of what is linked.
    needs: Vec<String>,
}

/// <https://github.com/package-url/purl-spec>
fn key(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{version}")
}

impl Package {
    fn key(&self) -> String {
        key(&self.name, &self.version)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).into()
}

/// The checksums in `Cargo.lock`, by name and version.
fn checksums() -> BTreeMap<(String, String), String> {
    let lock = fs::read_to_string(here().join("../Cargo.lock")).unwrap();
    let value = |block: &str, key: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    lock.split("[[package]]")
        .filter_map(|block| {
            let package = (value(block, "name")?, value(block, "version")?);
            Some((package, value(block, "checksum")?))
        })
        .collect()
}

fn cargo(arguments: &[&str]) -> String {
    stdout_of(Command::new(env!("CARGO")).args(arguments).arg(here().join("../Cargo.toml")))
}

/// What is linked into the library, by name and version, ourselves first.
fn linked() -> Vec<Package> {
    let tree = cargo(&TREE);
    let linked: BTreeSet<(&str, &str)> = tree
        .lines()
        .map(|line| {
            let (name, version) = line.split_once(" v").unwrap();
            (name, version.split(' ').next().unwrap())
        })
        .collect();
    let all: Value = serde_json::from_str(&cargo(&METADATA)).unwrap();
    let packages = all["packages"].as_array().unwrap();
    let named = |one: &Value| (text(&one["name"]), text(&one["version"]));
    let is_linked = |one: &(String, String)| linked.contains(&(one.0.as_str(), one.1.as_str()));
    let by_id: BTreeMap<String, (String, String)> =
        packages.iter().map(|one| (text(&one["id"]), named(one))).collect();
    let normal = |edge: &&Value| {
        let kinds = edge["dep_kinds"].as_array().unwrap();
        kinds.iter().any(|kind| kind["kind"].is_null())
    };
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for node in all["resolve"]["nodes"].as_array().unwrap() {
        let edges = node["deps"].as_array().unwrap().iter().filter(normal);
        let to = edges.map(|edge| &by_id[edge["pkg"].as_str().unwrap()]);
        let to = to.filter(|one| is_linked(one)).map(|(name, version)| key(name, version));
        needs.insert(text(&node["id"]), to.collect());
    }
    let checksums = checksums();
    let made = |one: &Value| Package {
        name: text(&one["name"]),
        version: text(&one["version"]),
        licence: text(&one["license"]).replace('/', " OR "),
        folder: text(&one["manifest_path"]).trim_end_matches("Cargo.toml").into(),
        checksum: checksums.get(&named(one)).cloned(),
        needs: needs[one["id"].as_str().unwrap()].iter().cloned().collect(),
    };
    let mut found: Vec<Package> =
        packages.iter().filter(|one| is_linked(&named(one))).map(made).collect();
    assert_eq!(found.len(), linked.len(), "{linked:?}");
    found.sort_by_key(|package| (package.checksum.is_some(), package.key()));
    found
}

/// The files of licences below a folder: beside the manifest, in `LICENSES` (REUSE), and of C code.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_uppercase();
        let inside = folder.components().any(|part| part.as_os_str() == "c_src");
        if path.is_dir() {
            if inside || name == "LICENSES" || name == "C_SRC" {
                files(&path, found);
            }
        } else if folder.ends_with("LICENSES") || NAMES.iter().any(|start| name.starts_with(start))
        {
            found.push(path);
        }
    }
}

/// The texts that go with a crate. Where MIT may be chosen it is.
fn licences(package: &Package) -> Vec<String> {
    let mut found = Vec::new();
    files(Path::new(&package.folder), &mut found);
    found.sort();
    let choices = &package.licence;
    if !choices.contains("AND") && choices.split(" OR ").any(|one| one.trim() == "MIT") {
        let is_mit = |path: &&PathBuf| {
            path.file_name().unwrap().to_str().unwrap().to_uppercase().contains("MIT")
        };
        if let Some(mit) = found.iter().find(is_mit).cloned() {
            found = vec![mit];
        }
    }
    let read = |path: &PathBuf| {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).replace('\r', "");
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n").trim_matches('\n').into()
    };
    found.iter().map(read).collect()
}

fn third_party(all: &[Package]) -> String {
    let theirs: Vec<&Package> = all.iter().filter(|one| one.checksum.is_some()).collect();
    let mut out = String::from(
        "What is linked into libringws, besides itself and Rust's standard library (MIT or\n\
         Apache-2.0): who passes the library on passes this on. With all features, on x86-64\n\
         Linux; a build without TLS, or without mimalloc, has less.\n\n",
    );
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in theirs {
        out += &format!("{} {}: {}\n", package.name, package.version, package.licence);
        let found = licences(package);
        assert!(!found.is_empty(), "{} has no text of its licence", package.name);
        for text in found {
            texts.entry(text).or_default().insert(package.name.clone());
        }
    }
    let mut texts: Vec<(String, BTreeSet<String>)> = texts.into_iter().collect();
    texts.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    for (text, of) in texts {
        let of: Vec<String> = of.into_iter().collect();
        out += &format!("\n{}\n{}\n\n{text}\n", "=".repeat(80), of.join(", "));
    }
    out
}

/// CycloneDX 1.5, without what differs from run to run (serial number, time).
fn sbom(all: &[Package]) -> String {
    let component = |one: &Package| {
        let mut component = json!({
            "type": "library",
            "bom-ref": one.key(),
            "name": one.name,
            "version": one.version,
            "purl": one.key(),
            "licenses": [{ "expression": one.licence }],
        });
        if let Some(checksum) = &one.checksum {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        component
    };
    let (ours, others): (Vec<&Package>, Vec<&Package>) =
        all.iter().partition(|one| one.name == "ringws-ffi");
    let depends = |one: &Package| json!({ "ref": one.key(), "dependsOn": one.needs });
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(ours[0]) },
        "components": others.into_iter().map(component).collect::<Vec<_>>(),
        "dependencies": all.iter().map(depends).collect::<Vec<_>>(),
    });
    format!("{}\n", serde_json::to_string_pretty(&bom).unwrap())
}

fn is(name: &str, expected: &str) {
    let path = here().join(name);
    if std::env::var_os("RINGWS_WRITE").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(expected.lines()).find(|(there, expected)| there != expected);
    assert!(
        there == expected,
        "ffi/{name} is not what Cargo.lock says, first here: {differs:?}; \
         RINGWS_WRITE=1 cargo test -p ringws-ffi --test supply"
    );
}

#[test]
fn licences_and_bill_of_materials_are_those_of_the_lock() {
    let all = linked();
    let names: BTreeSet<&str> = all.iter().map(|one| one.name.as_str()).collect();
    assert!(names.is_superset(&BTreeSet::from([
        "ringws-ffi",
        "ringws-engine",
        "rustls",
        "io-uring"
    ])));
    assert_eq!(names.len(), all.len(), "two versions of one crate");
    assert!(!names.contains("tokio") && !names.contains("syn"), "only of tests, or of builds");
    is("THIRD-PARTY.txt", &third_party(&all));
    is("sbom.cdx.json", &sbom(&all));
}
