//! What goes to the terminal: lines, and bars where somebody looks.

use crate::error::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt::Arguments;
use std::io::{IsTerminal, Write, stderr, stdout};

/// Standard output, and a bar on standard error if that is a terminal.
pub(crate) struct Out;

impl Out {
    /// A line. Whoever reads it may have gone, as `head` does: that ends the program.
    pub(crate) fn line(&mut self, line: Arguments<'_>) -> Result<()> {
        let mut to = stdout().lock();
        writeln!(to, "{line}")?;
        Ok(to.flush()?)
    }

    /// Text that has its own ends of lines.
    pub(crate) fn text(&mut self, text: &str) -> Result<()> {
        let mut to = stdout().lock();
        to.write_all(text.as_bytes())?;
        Ok(to.flush()?)
    }

    /// A line for people, beside the result.
    pub(crate) fn note(&mut self, line: Arguments<'_>) -> Result<()> {
        Ok(writeln!(stderr().lock(), "{line}")?)
    }

    pub(crate) fn bar(&self, len: u64, what: &str) -> ProgressBar {
        let target = match stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let template = format!("{{bar:40}} {{pos}}/{{len}} {what}, {{elapsed}}  {{msg}}");
        let style = ProgressStyle::with_template(&template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::with_draw_target(Some(len), target).with_style(style)
    }
}
