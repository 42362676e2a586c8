//! The C programs with implementations that others wrote, as clients and as servers, in every mode
//! that both have: a table on standard output, an exit status that is not zero when a cell failed.
//!
//! `cargo test -p ringws-ffi --test peers`; words after `--` choose the rows that contain them.

mod common;
mod peer;

use peer::report::{Cell, Row, table};
use peer::rows::{PEERS, Peer};
use peer::{MODES, Mode};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let chosen = |peer: &&Peer| words.is_empty() || words.iter().any(|w| peer.name.contains(w));
    let peers: Vec<&Peer> = PEERS.iter().filter(chosen).collect();
    // Another test's name was asked for.
    if peers.is_empty() {
        return ExitCode::SUCCESS;
    }
    let mut rows = Vec::new();
    for peer in peers {
        let cells: Vec<Cell> = MODES.into_iter().map(|mode| cell(peer, mode)).collect();
        rows.push(Row { name: peer.name, cells });
    }
    say(&table(&rows));
    let failed = |cell: &Cell| matches!(cell, Cell::Failed);
    ExitCode::from(u8::from(rows.iter().any(|row| row.cells.iter().any(failed))))
}

fn cell(peer: &Peer, mode: Mode) -> Cell {
    let started = Instant::now();
    // The message of a panic is written to standard error.
    let cell = match catch_unwind(AssertUnwindSafe(|| (peer.cell)(mode))) {
        Ok(Ok(missing)) => Cell::Passed(started.elapsed(), missing),
        Ok(Err(reason)) => Cell::NotApplicable(reason),
        Err(_) => Cell::Failed,
    };
    say(&format!("{}, {}: {cell}", peer.name, mode.name));
    cell
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).unwrap();
}
