//! `ringws connect`: a client for the keyboard, for pipes and for scripts.

mod line;
mod session;
mod typed;

use crate::dial::{Dial, describe};
use crate::error::{Error, Result};
use crate::out::Out;
use crate::words::close_code;
use clap::Args;
use session::{Event, Session};
use std::io::{BufRead, IsTerminal, stdin};
use std::process::ExitCode;
use std::time::Duration;

/// What `connect` is told.
#[derive(Args, Debug)]
pub(crate) struct Connect {
    /// The server: ws://host:port/path or wss://
    url: String,
    /// Send this, print what comes in answer, and end. Repeated: one after the other
    #[arg(short = 'x', long, value_name = "LINE")]
    execute: Vec<String>,
    /// How long to wait for an answer, or, behind the last line of a pipe, for anything
    #[arg(short, long, value_name = "SECONDS", default_value_t = 2.0)]
    wait: f64,
    /// Send lines as binary messages
    #[arg(short, long)]
    binary: bool,
    /// Show messages that are JSON over several lines
    #[arg(long)]
    json: bool,
    /// Show the answer to the request, and TLS, seen by a handshake of its own
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    dial: Dial,
}

impl Connect {
    pub(crate) fn run(&self, out: &mut Out) -> Result<ExitCode> {
        let wait = Duration::try_from_secs_f64(self.wait)
            .map_err(|error| Error::Usage(format!("--wait: {error}")))?;
        if self.verbose && self.url.starts_with("wss:") {
            for line in describe(&self.url, &self.dial.trust)? {
                out.note(format_args!("* {line}"))?;
            }
        }
        let mut session = Session::open(&self.url, &self.dial)?;
        if self.verbose {
            for line in session.head() {
                out.note(format_args!("< {line}"))?;
            }
        }
        let show = session::Show { json: self.json };
        let ended = if !self.execute.is_empty() {
            self.execute(&mut session, &show, wait, out)?
        } else if stdin().is_terminal() {
            typed::talk(session, show, self.binary)?
        } else {
            self.pipe(&mut session, &show, wait, out)?
        };
        Ok(ended)
    }

    /// Each line, and what comes in answer.
    fn execute(
        &self,
        session: &mut Session,
        show: &session::Show,
        wait: Duration,
        out: &mut Out,
    ) -> Result<ExitCode> {
        for line in &self.execute {
            let said = line::read(line, self.binary).map_err(Error::Usage)?;
            let asks = said.wants_answer();
            session.say(said)?;
            if !asks {
                continue;
            }
            match session.next(wait) {
                Some(event) => {
                    out.line(format_args!("{}", show.event(&event)))?;
                    if let Event::Closed(_) = event {
                        return Ok(event.exit_code());
                    }
                }
                None => {
                    let within = wait.as_secs_f64();
                    out.note(format_args!("no answer to {line:?} within {within} s (--wait)"))?;
                    session.close(out)?;
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
        session.close(out)
    }

    /// Lines of a pipe, while answers are printed; then what still comes.
    fn pipe(
        &self,
        session: &mut Session,
        show: &session::Show,
        wait: Duration,
        out: &mut Out,
    ) -> Result<ExitCode> {
        for text in stdin().lock().lines() {
            session.say(line::read(&text?, self.binary).map_err(Error::Usage)?)?;
            while let Some(event) = session.next(Duration::ZERO) {
                out.line(format_args!("{}", show.event(&event)))?;
                if let Event::Closed(_) = event {
                    return Ok(event.exit_code());
                }
            }
        }
        while let Some(event) = session.next(wait) {
            out.line(format_args!("{}", show.event(&event)))?;
            if let Event::Closed(_) = event {
                return Ok(event.exit_code());
            }
        }
        session.close(out)
    }
}

/// How it ended, in words.
fn ended(code: u16, reason: &str, error: Option<&str>) -> String {
    let mut text = close_code(code);
    if !reason.is_empty() {
        text.push_str(&format!(" \"{reason}\""));
    }
    if let Some(error) = error {
        text.push_str(&format!(": {error}"));
    }
    text
}
