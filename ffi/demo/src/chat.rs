//! The chat, and its page: to be used, or tried once.

use crate::Result;
use crate::build::Built;
use crate::client::{Client, NORMAL_CLOSURE};
use crate::frame::{PING, PONG, TEXT};
use crate::server::Server;
use std::io::{IsTerminal, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

pub(crate) struct Chat<'a> {
    built: &'a Built,
    journal: PathBuf,
    /// None while it is restarted.
    server: Option<Server>,
    address: SocketAddr,
}

impl<'a> Chat<'a> {
    /// With nothing said yet.
    pub(crate) fn start(built: &'a Built) -> Result<Self> {
        let journal = built.chat.with_extension("journal");
        let _ = std::fs::remove_file(&journal);
        let mut chat = Self { built, journal, server: None, address: ([127, 0, 0, 1], 0).into() };
        chat.restart()?;
        Ok(chat)
    }

    /// As a deploy does it: the old one sends everybody away and ends, the new one takes its place.
    fn restart(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), Server::stop)?;
        let more = [self.built.page.as_os_str(), self.journal.as_os_str()];
        let server = Server::start(&self.built.chat, self.address.port(), &more)?;
        self.address.set_port(server.address.port());
        self.server = Some(server);
        Ok(())
    }

    /// Until Ctrl-C, which reaches the server too: the terminal signals the whole process group.
    pub(crate) fn serve(&mut self) -> Result<()> {
        let url = format!("http://{}", self.address);
        println!("\nThe chat is on {url}\n  Open it twice: {url}/?name=ann  {url}/?name=bob");
        println!("  (a phone in the same network: the address of this machine in its place)");
        println!("  health {url}/healthz, numbers for Prometheus {url}/metrics");
        let (pressed, presses) = channel();
        // Who runs this without a terminal may want what is in its input.
        if std::io::stdin().is_terminal() {
            println!("Enter restarts it, and the pages come back; Ctrl-C ends it.");
            std::thread::spawn(move || {
                for _ in std::io::stdin().lines() {
                    let _ = pressed.send(());
                }
            });
        }
        loop {
            match presses.recv_timeout(Duration::from_millis(200)) {
                Ok(()) => {
                    println!("Restarting ...");
                    self.restart()?;
                    println!("The next one is there.");
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
            if let Some(status) = self.server.as_mut().map(Server::ended).transpose()?.flatten() {
                return Err(format!("the server ended by itself, {status}").into());
            }
        }
    }

    /// Its page is fetched, and a message said, heard, and said again to the server after it.
    pub(crate) fn converse(&mut self) -> Result<()> {
        let page = self.page()?;
        println!("\nThe chat, with a page of {} KB on http://{}:", page / 1000, self.address);
        let mut ann = self.enter("ann", "0")?;
        let mut bob = self.enter("bob", "0")?;
        let line = b"say\tid-by-ann\tHello, bob";
        ann.send(TEXT, line)?;
        let heard = said(&mut bob)?;
        let [number, _, _, name, text] = heard.as_slice() else {
            return Err(format!("this is no message: {heard:?}").into());
        };
        println!("  ann     -> Hello, bob\n  bob     <- {name}: {text}");
        drop((ann, bob));
        self.restart()?;
        println!("  the server ends, and another one starts");
        let mut ann = self.enter("ann", number)?;
        ann.send(TEXT, line)?;
        if said(&mut ann)? != heard {
            return Err("a message that was said again is taken a second time".into());
        }
        println!("  ann     -> Hello, bob, because she does not know whether it was heard");
        println!("          <- it is there already, number {number}");
        ann.close(NORMAL_CLOSURE, "")?;
        self.server.take().map_or(Ok(()), Server::stop)?;
        println!("\nThe chat ended cleanly.");
        Ok(())
    }

    fn enter(&self, name: &str, after: &str) -> Result<Client> {
        Client::open(self.address, &format!("/rooms/hall?name={name}&after={after}"))
    }

    /// How many bytes its page has.
    fn page(&self) -> Result<usize> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((head, page)) if head.starts_with("HTTP/1.1 200 ") => Ok(page.len()),
            _ => Err(format!("the page was not served:\n{answer}").into()),
        }
    }
}

/// The fields of the next message that somebody has said, without the first.
fn said(client: &mut Client) -> Result<Vec<String>> {
    loop {
        let (opcode, payload) = client.receive()?;
        if opcode == PING {
            client.send(PONG, &payload)?;
        } else if let Some(rest) = payload.strip_prefix(b"said\t") {
            return Ok(String::from_utf8_lossy(rest).split('\t').map(String::from).collect());
        }
    }
}
