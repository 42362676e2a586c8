//! Completions for shells, and pages for `man`.

use crate::error::{Error, Result};
use crate::out::Out;
use clap::{Args, Command};
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `completions` is told.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// What `man` is told.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// Where the pages are written to
    dir: PathBuf,
}

impl Completions {
    pub(crate) fn run(&self, mut program: Command, out: &mut Out) -> Result<ExitCode> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut program, "ringws", &mut text);
        out.text(&String::from_utf8_lossy(&text))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    pub(crate) fn run(&self, program: Command, out: &mut Out) -> Result<ExitCode> {
        let bad = |source| Error::File { path: self.dir.clone(), source };
        std::fs::create_dir_all(&self.dir).map_err(bad)?;
        clap_mangen::generate_to(program, &self.dir).map_err(bad)?;
        out.line(format_args!("written: {}/ringws*.1", self.dir.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}
