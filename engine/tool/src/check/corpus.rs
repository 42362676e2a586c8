//! The rows: those that are built in, those of other files, and which of them are wanted.

use super::row::{CorpusError, Row, read};
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The files that are built in.
const FILES: [(&str, &str); 8] = [
    ("handshake.toml", include_str!("../../corpus/handshake.toml")),
    ("smuggling.toml", include_str!("../../corpus/smuggling.toml")),
    ("frames.toml", include_str!("../../corpus/frames.toml")),
    ("fragments.toml", include_str!("../../corpus/fragments.toml")),
    ("control.toml", include_str!("../../corpus/control.toml")),
    ("utf8.toml", include_str!("../../corpus/utf8.toml")),
    ("deflate.toml", include_str!("../../corpus/deflate.toml")),
    ("robust.toml", include_str!("../../corpus/robust.toml")),
];

/// All rows that match one of `only`, if there are any, and none of `skip`.
pub(super) fn rows(more: &[PathBuf], only: &[String], skip: &[String]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut ids = HashSet::new();
    let mut add = |path: &Path, text: &str| {
        let bad = |source| Error::Corpus { path: path.to_owned(), source };
        for row in read(text).map_err(bad)? {
            if !ids.insert(row.id.clone()) {
                return Err(bad(CorpusError::Twice(row.id)));
            }
            rows.push(row);
        }
        Ok(())
    };
    for (name, text) in FILES {
        add(Path::new(name), text)?;
    }
    for path in more {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| Error::File { path: path.clone(), source })?;
        add(path, &text)?;
    }
    let any = |globs: &[String], row: &Row| globs.iter().any(|glob| matches(glob, &row.id));
    rows.retain(|row| (only.is_empty() || any(only, row)) && !any(skip, row));
    match rows.is_empty() {
        true => Err(Error::Usage("no row matches; --list shows their ids".into())),
        false => Ok(rows),
    }
}

/// Whether a text is what a pattern says, in which `*` is anything.
fn matches(glob: &str, text: &str) -> bool {
    match glob.split_once('*') {
        None => glob == text,
        Some((before, rest)) => text.strip_prefix(before).is_some_and(|text| {
            (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::row::{Expect, Severity};

    #[test]
    fn patterns_match_ids() {
        for (glob, text, is) in [
            ("utf8.*", "utf8.lone", true),
            ("*", "", true),
            ("*.a*", "x.y.ab", true),
            ("utf8", "utf8.lone", false),
            ("*.b", "x.ab", false),
        ] {
            assert_eq!(matches(glob, text), is, "{glob} {text}");
        }
    }

    #[test]
    fn the_corpus_is_whole() {
        let all = rows(&[], &[], &[]).unwrap();
        assert!(all.len() > 250, "{} rows", all.len());
        for row in &all {
            let id = &row.id;
            assert!(id.contains('.') && !id.contains(' '), "{id}");
            assert!(row.says.ends_with('.') && row.says.len() > 20, "{id}: {}", row.says);
            assert!(row.clause.contains('§') || row.severity == Severity::Robust, "{id}");
            let of_close = row.expect.iter().any(|e| matches!(e, Expect::Fails | Expect::Close));
            assert!(row.codes.is_empty() || of_close, "{id}: codes say nothing here");
            let refused = row.expect.contains(&Expect::Refused);
            assert!(row.status.is_empty() || refused, "{id}: a status says nothing here");
        }
    }

    #[test]
    fn what_is_wanted_is_left() {
        let some = rows(&[], &["utf8.*".into()], &["*/bytes".into()]).unwrap();
        assert!(some.iter().all(|row| row.id.starts_with("utf8.") && !row.id.ends_with("/bytes")));
        let none = rows(&[], &["nothing".into()], &[]).unwrap_err();
        assert!(none.to_string().contains("--list"), "{none}");
    }
}
