//! `ringws connect` at a terminal.

use crate::support::{Serving, command};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::Stdio;

/// What is typed and read at a terminal.
struct Terminal {
    end: File,
    seen: String,
}

impl Terminal {
    /// Ours, and the program's.
    fn open() -> (Self, File) {
        let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&end).expect("ours");
        unlockpt(&end).expect("ours");
        let name = ptsname(&end, Vec::new()).expect("a name").into_string().expect("text");
        let other = OpenOptions::new().read(true).write(true).open(name).expect("the other end");
        (Self { end: end.into(), seen: String::new() }, other)
    }

    fn types(&mut self, text: &str) {
        self.end.write_all(text.as_bytes()).expect("a program that reads");
    }

    /// Reads until this was seen, behind what was seen before.
    fn sees(&mut self, what: &str) {
        let mut some = [0; 1024];
        let patience = Timespec { tv_sec: 30, tv_nsec: 0 };
        while !self.seen.contains(what) {
            let mut polled = [PollFd::new(&self.end, PollFlags::IN)];
            let ready = poll(&mut polled, Some(&patience)).expect("a terminal");
            assert!(ready > 0, "no {what:?} in {:?}", self.seen);
            let count = self.end.read(&mut some).unwrap_or_else(|error| {
                panic!("{error}, before {what:?} in {:?}", self.seen);
            });
            self.seen.push_str(&String::from_utf8_lossy(&some[..count]));
        }
        let at = self.seen.find(what).expect("it was seen") + what.len();
        self.seen.drain(..at);
    }
}

#[test]
fn lines_are_edited_while_messages_come() {
    let server = Serving::new(&[]);
    let (mut terminal, other) = Terminal::open();
    let handle = || Stdio::from(other.try_clone().expect("another handle"));
    let mut command = command(&["connect", &server.url]);
    command.env("TERM", "xterm").stdin(handle()).stdout(handle()).stderr(handle());
    let mut child = command.spawn().expect("the tool");
    drop((command, other));
    terminal.sees("/close [CODE [REASON]]");
    terminal.sees("> ");
    // A letter too many, taken back.
    terminal.types("hellox\x7f\r");
    terminal.sees("< hello");
    terminal.types("/nothing\r");
    terminal.sees("no command /nothing");
    terminal.types("/ping there\r");
    terminal.sees("< Pong \"there\"");
    // The first line again, by its history.
    terminal.types("\x1b[A\x1b[A\x1b[A\r");
    terminal.sees("< hello");
    terminal.types("/close 4000\r");
    terminal.sees("* Close 4000 (the application's own)");
    assert!(child.wait().expect("its end").success());
}
