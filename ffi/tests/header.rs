//! `include/ringws.h` is what cbindgen makes of the sources, laid out by `layout`.
//!
//! `RINGWS_BLESS=1 cargo test -p ringws-ffi --test header` writes it.

#[path = "header/contents.rs"]
mod contents;
#[path = "header/layout.rs"]
mod layout;

use std::path::Path;

fn generate() -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(dir.join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new().with_crate(dir).with_config(config).generate();
    let mut raw = Vec::new();
    bindings.unwrap().write(&mut raw);
    layout::lay_out(&String::from_utf8(raw).unwrap())
        .replace("@MAJOR@", env!("CARGO_PKG_VERSION_MAJOR"))
        .replace("@MINOR@", env!("CARGO_PKG_VERSION_MINOR"))
        .replace("@PATCH@", env!("CARGO_PKG_VERSION_PATCH"))
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/ringws.h");
    let generated = generate();
    if std::env::var_os("RINGWS_BLESS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    let differs = committed.lines().zip(generated.lines()).position(|(a, b)| a != b);
    if let Some(line) = differs {
        panic!(
            "line {} of include/ringws.h is\n{}\nand should be\n{}\nRINGWS_BLESS=1 rewrites it",
            line + 1,
            committed.lines().nth(line).unwrap(),
            generated.lines().nth(line).unwrap(),
        );
    }
    assert_eq!(committed, generated, "RINGWS_BLESS=1 rewrites include/ringws.h");
}

#[test]
fn every_line_fits_and_every_item_says_what_it_is() {
    let header = generate();
    let long: Vec<_> = header.lines().filter(|line| line.chars().count() > 104).collect();
    assert!(long.is_empty(), "{long:#?}");
    for leak in ["@", "Option", "ringws_engine", "# Safety"] {
        assert!(!header.contains(leak), "{leak}");
    }
}
