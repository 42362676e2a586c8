//! At a terminal: lines are edited while messages come.

use super::line::{self, Said};
use super::session::{Event, Session, Show};
use crate::error::Result;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::{DefaultEditor, ExternalPrinter};
use std::io::{Error as IoError, stdin};
use std::process::ExitCode;
use std::sync::mpsc::Receiver;

/// Talks until either end has enough.
pub(super) fn talk(session: Session, show: Show, binary: bool) -> Result<ExitCode> {
    let mut editor = DefaultEditor::new().map_err(IoError::other)?;
    let printer = editor.create_external_printer().map_err(IoError::other)?;
    let before = tcgetattr(stdin()).map_err(IoError::from)?;
    // The engine lives as long as this.
    let (_engine, speaker, events) = session.into_parts();
    speaker.say(Said::Help)?;
    std::thread::scope(|scope| {
        let printing = scope.spawn(move || {
            let code = print(&events, printer, show);
            // The editor waits for a key that nobody needs to press: the terminal is as it was
            // before, and the program ends here.
            let _ = tcsetattr(stdin(), OptionalActions::Now, &before);
            std::process::exit(code.into());
        });
        loop {
            match editor.readline("> ") {
                Ok(text) => {
                    if !text.is_empty() {
                        // A line that the history does not keep is no harm.
                        let _ = editor.add_history_entry(&text);
                    }
                    match line::read(&text, binary) {
                        Ok(said) => speaker.say(said)?,
                        Err(why) => crate::out::Out.note(format_args!("{why}"))?,
                    }
                }
                Err(ReadlineError::Interrupted | ReadlineError::Eof) => {
                    speaker.say(Said::Close(1000, String::new()))?;
                    break;
                }
                Err(error) => return Err(IoError::other(error).into()),
            }
        }
        // Until the closing handshake is over.
        let _ = printing.join();
        Ok(ExitCode::SUCCESS)
    })
}

/// Prints what happens, to the end; what the program ends with.
fn print(events: &Receiver<Event>, mut printer: impl ExternalPrinter, show: Show) -> u8 {
    for event in events {
        let mark = if matches!(event, Event::Closed(_)) { "*" } else { "<" };
        // A terminal that has gone ends the program by itself.
        let _ = printer.print(format!("{mark} {}\n", show.event(&event)));
        if let Event::Closed(_) = event {
            return u8::from(event.exit_code() != ExitCode::SUCCESS);
        }
    }
    1
}
