//! `codec-count`: instructions of the engine's codec, and whether there are more than before.
//!
//! ```text
//! cargo harness codec-count -- --check
//! ```
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

use clap::Parser;
use ringws_bench::codec::count::{self, COUNTED, Counts};
use ringws_bench::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Counts the instructions that a frame costs under callgrind, in half a minute. Valgrind hides
/// AVX-512: this is the path of CPUs with AVX2.
#[derive(Parser)]
struct Arguments {
    /// Fail when a case takes over 2 % more instructions than in the baseline.
    #[arg(long, conflicts_with = "bless")]
    check: bool,
    /// Make what is counted the baseline.
    #[arg(long)]
    bless: bool,
    /// The baseline.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.toml"))]
    baseline: PathBuf,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|argument| argument == COUNTED) {
        println!("{}", count::counted());
        return ExitCode::SUCCESS;
    }
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("codec-count: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if cfg!(debug_assertions) {
        return Err(Error::Usage("only a release build is worth counting: --release".into()));
    }
    let program = std::env::current_exe().map_err(Error::io("this program"))?;
    let Some(counts) = count::count(&program)? else {
        eprintln!("codec-count: SKIPPED, NOTHING WAS COUNTED: there is no valgrind in the path");
        return Ok(());
    };
    print_table(&counts);
    if arguments.bless {
        return bless(&counts, &arguments.baseline);
    }
    if arguments.check {
        return check(&counts, &arguments.baseline);
    }
    Ok(())
}

fn print_table(counts: &Counts) {
    println!("{:<48} {:>14} {:>12}", "case", "a frame", "a byte");
    for (name, count) in &counts.per_frame {
        // operation/content/size/codec
        let size = name.split('/').nth(2).and_then(|size| size.parse::<f64>().ok());
        let per_byte = size.map_or(f64::NAN, |size| count / size);
        println!("{name:<48} {count:>14.2} {per_byte:>12.4}");
    }
    println!("masking: {}; {}", counts.simd, counts.rustc);
}

fn bless(counts: &Counts, baseline: &Path) -> Result<()> {
    let failed = || format!("{}", baseline.display());
    let text = toml::to_string(counts).map_err(|e| Error::Usage(e.to_string()))?;
    let text = format!("# Instructions of a frame, written by codec-count --bless.\n{text}");
    std::fs::write(baseline, text).map_err(Error::io(failed()))
}

fn check(counts: &Counts, baseline: &Path) -> Result<()> {
    let text = std::fs::read_to_string(baseline);
    let text = text.map_err(Error::io(baseline.display().to_string()))?;
    let before: Counts = toml::from_str(&text).map_err(|e| Error::Usage(e.to_string()))?;
    let found = count::regressions(&before, counts)?;
    if found.is_empty() {
        println!("no case takes over 2 % more than in {}", baseline.display());
        return Ok(());
    }
    let mut message = format!("{} regressions:\n  {}\n", found.len(), found.join("\n  "));
    if before.rustc != counts.rustc {
        let (a, b) = (&before.rustc, &counts.rustc);
        message += &format!("the baseline is of {a}, this is {b}: perhaps that is all\n");
    }
    message += "if this is meant, bless it: \
                cargo harness codec-count -- --bless";
    Err(Error::Usage(message))
}
