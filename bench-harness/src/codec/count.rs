//! Instructions of the engine's cases, counted by callgrind.
//!
//! One process makes all of it under `valgrind --tool=callgrind`: one pass of each case to warm up,
//! then `PASSES` and then twice as many, with `codec_mark` behind each of the three. Callgrind
//! writes what was counted since the last time whenever it leaves that function, so the
//! difference of the last two, over `PASSES` and the frames of a pass, is what a frame costs, and
//! nothing else. The count repeats to the instruction on one machine; a compiler or a C library of
//! another version changes it.
//!
//! Valgrind hides AVX-512: what is counted is the path of CPUs that have AVX2 and no more.

use super::{Task, connection, engine};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The argument by which the program knows that it is the one that is counted.
pub const COUNTED: &str = "counted";

/// By how much a case may grow before it is a regression.
pub const TOLERANCE: f64 = 0.02;

/// See above. The counts of passes are alike, so few are enough.
const PASSES: usize = 2;

/// Counts, as they are kept from one version to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// The implementation of masking that was counted.
    pub simd: String,
    /// The compiler that made what was counted.
    pub rustc: String,
    /// Instructions of a frame, by the name of the case.
    pub per_frame: BTreeMap<String, f64>,
}

/// The cases that are counted: all ways of the engine.
fn cases() -> impl Iterator<Item = super::Case> {
    let of = |task| engine::cases(task).into_iter().chain(connection::cases(task));
    Task::all().into_iter().flat_map(of)
}

/// The program under callgrind. Returns the implementation of masking that it uses.
pub fn counted() -> &'static str {
    for mut case in cases() {
        for passes in [1, PASSES, 2 * PASSES] {
            for _ in 0..passes {
                case.checked_pass();
            }
            codec_mark();
        }
    }
    ringws_engine::simd::implementation()
}

/// Callgrind knows it by its name.
#[inline(never)]
fn codec_mark() {
    black_box(());
}

/// Runs `program` under callgrind and reads what it wrote. `None` where there is no valgrind.
///
/// # Errors
/// When valgrind fails, or has written something else than it should have.
pub fn count(program: &Path) -> Result<Option<Counts>> {
    let directory = Directory::new()?;
    let file = directory.0.join("out");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["-q", "--tool=callgrind", "--dump-line=no", "--dump-after=*codec_mark*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program)
        .arg(COUNTED)
        .stderr(Stdio::inherit());
    let output = match valgrind.output() {
        Ok(output) => output,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("valgrind")(e)),
    };
    if !output.status.success() {
        return Err(Error::Usage(format!("valgrind ended with {}", output.status)));
    }
    let simd = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Some(Counts { simd, rustc: rustc(), per_frame: per_frame(&file)? }))
}

fn per_frame(file: &Path) -> Result<BTreeMap<String, f64>> {
    let mut per_frame = BTreeMap::new();
    // Callgrind counts its files from 1.
    for (i, case) in cases().enumerate() {
        let once = total(file, 3 * i + 2)?;
        let twice = total(file, 3 * i + 3)?;
        let frames = (PASSES * case.frames) as f64;
        let count = twice.saturating_sub(once) as f64 / frames;
        // To a hundredth: what is kept is read by people, too.
        per_frame.insert(case.name(), (count * 100.0).round() / 100.0);
    }
    Ok(per_frame)
}

/// The instructions in the part of callgrind's output with this number.
fn total(file: &Path, number: usize) -> Result<u64> {
    let part = format!("{}.{number}", file.display());
    let text = std::fs::read_to_string(&part).map_err(Error::io(&part))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    total.ok_or_else(|| Error::Usage(format!("{part} has no line of totals")))
}

/// The compiler's version, empty where it cannot be asked.
fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    output.map_or_else(|_| String::new(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

/// A directory for the time of a run.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("codec-count-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(Error::io(path.display().to_string()))?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left behind is in the directory for that.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What is wrong with `now` beside `before`: cases that have grown by more than [`TOLERANCE`], that
/// are new, or that are gone. Empty when nothing is.
///
/// # Errors
/// When the two cannot be compared, because another implementation of masking was counted.
pub fn regressions(before: &Counts, now: &Counts) -> Result<Vec<String>> {
    if before.simd != now.simd {
        let (a, b) = (&before.simd, &now.simd);
        return Err(Error::Usage(format!("the baseline is of {a}, this machine counts {b}")));
    }
    let mut found = Vec::new();
    for (name, now) in &now.per_frame {
        match before.per_frame.get(name) {
            None => found.push(format!("{name}: not in the baseline")),
            Some(before) if *now > before * (1.0 + TOLERANCE) => {
                let percent = 100.0 * (now / before - 1.0);
                found.push(format!("{name}: {before} -> {now} instructions (+{percent:.1} %)"));
            }
            Some(_) => {}
        }
    }
    let gone = before.per_frame.keys().filter(|name| !now.per_frame.contains_key(*name));
    found.extend(gone.map(|name| format!("{name}: in the baseline only")));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(simd: &str, cases: &[(&str, f64)]) -> Counts {
        let per_frame = cases.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Counts { simd: simd.to_owned(), rustc: "rustc 1".to_owned(), per_frame }
    }

    #[test]
    fn two_percent_are_allowed() {
        let before = counts("avx2", &[("a", 100.0), ("b", 100.0)]);
        let same = counts("avx2", &[("a", 102.0), ("b", 50.0)]);
        assert!(regressions(&before, &same).unwrap().is_empty());
        let grown = counts("avx2", &[("a", 102.1), ("b", 50.0)]);
        let found = regressions(&before, &grown).unwrap();
        assert_eq!(found, ["a: 100 -> 102.1 instructions (+2.1 %)"]);
    }

    #[test]
    fn both_sides_have_the_same_cases() {
        let found = regressions(&counts("avx2", &[("a", 1.0)]), &counts("avx2", &[("b", 1.0)]));
        assert_eq!(found.unwrap(), ["b: not in the baseline", "a: in the baseline only"]);
    }

    #[test]
    fn other_vectors_are_not_compared() {
        assert!(regressions(&counts("avx2", &[]), &counts("sse2", &[])).is_err());
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<String> = cases().map(|case| case.name()).collect();
        assert_eq!(names.len(), cases().count());
    }
}
