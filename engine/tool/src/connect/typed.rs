//! At a terminal: lines are edited while messages come.

use super::line::{self, HELP, Said};
use super::session::{Event, Session, Show};
use crate::error::Result;
use futures::channel::oneshot;
use futures::executor::block_on;
use futures::future::{Either, select};
use rustyline_async::{Readline, ReadlineEvent, SharedWriter};
use std::io::{Error as IoError, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::mpsc::Receiver;

/// Talks until either end has enough.
pub(super) fn talk(session: Session, show: Show, binary: bool) -> Result<ExitCode> {
    // The engine lives as long as this.
    let (_engine, speaker, events) = session.into_parts();
    let (mut editor, mut screen) = Readline::new("> ".into()).map_err(IoError::other)?;
    writeln!(screen, "{HELP}")?;
    let (over, mut ended) = oneshot::channel();
    let printer = screen.clone();
    // Ends with the connection.
    std::thread::spawn(move || {
        // Whoever waits for it has gone only when the terminal has.
        let _ = over.send(print(&events, printer, show));
    });
    let code = loop {
        let line = match block_on(select(pin!(editor.readline()), &mut ended)) {
            Either::Left((line, _)) => line.map_err(IoError::other)?,
            Either::Right((code, _)) => break code,
        };
        match line {
            ReadlineEvent::Line(text) => {
                editor.add_history_entry(text.clone());
                match line::read(&text, binary) {
                    Ok(Said::Help) => writeln!(screen, "{HELP}")?,
                    Ok(said) => speaker.say(said)?,
                    Err(why) => writeln!(screen, "{why}")?,
                }
            }
            ReadlineEvent::Eof | ReadlineEvent::Interrupted => {
                speaker.say(Said::Close(1000, String::new()))?;
                break block_on(&mut ended);
            }
        }
    };
    editor.flush().map_err(IoError::other)?;
    Ok(code.unwrap_or(ExitCode::FAILURE))
}

/// Prints what happens, to the end; what the program ends with.
fn print(events: &Receiver<Event>, mut screen: SharedWriter, show: Show) -> ExitCode {
    for event in events {
        let mark = if matches!(event, Event::Closed(_)) { "*" } else { "<" };
        // A terminal that has gone ends the program by itself.
        let _ = writeln!(screen, "{mark} {}", show.event(&event));
        if let Event::Closed(_) = event {
            return event.exit_code();
        }
    }
    ExitCode::FAILURE
}
