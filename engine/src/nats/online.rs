//! A connection to a broker, and what comes of what it says.

use super::codec::{Said, parse};
use super::home::Home;
use super::info::connect;
use super::session::{Event, Session};
use super::stream::{Came, Input, Stream};
use crate::config::Level;
use crate::tls;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Bytes that are read before others get their turn.
const READ_MAX: usize = 1 << 20;
/// All clients of a server that is about to leave go to others within this time.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// A server has so long to take the last that we have sent.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);

/// A connection.
pub(super) struct Online {
    pub(super) stream: Stream,
    input: Input,
    pub(super) session: Session,
    /// Until when it must have let us in, or taken the last that we sent.
    by: Option<Instant>,
    /// When we leave a server that is about to leave.
    leave_at: Option<Instant>,
    /// What it has last complained of.
    complaint: Option<String>,
}

impl Online {
    pub(super) fn new(socket: TcpStream, home: &Home, by: Instant, now: Instant) -> Self {
        let options = &home.options;
        let session =
            Session::new(&options.prefix, options.ping_interval, options.pending_max, now);
        Self {
            stream: Stream::new(socket),
            input: Input::new(),
            session,
            by: Some(by),
            leave_at: None,
            complaint: None,
        }
    }

    /// All that is there, up to a bound: whether there may be more.
    ///
    /// # Errors
    /// The connection is lost: why.
    pub(super) fn read(&mut self, home: &mut Home, now: Instant) -> Result<bool, String> {
        let mut bytes = 0;
        while bytes < READ_MAX {
            match self.stream.read(&mut self.input)? {
                Came::Nothing => return Ok(false),
                Came::End => {
                    let closed = || "the server has closed the connection".to_owned();
                    return Err(self.complaint.take().unwrap_or_else(closed));
                }
                Came::Bytes(more) => bytes += more,
            }
            self.session.heard(now);
            self.understand(home, now)?;
        }
        Ok(true)
    }

    fn understand(&mut self, home: &mut Home, now: Instant) -> Result<(), String> {
        loop {
            let said = parse(self.input.bytes());
            let said = said.map_err(|broken| format!("what it says is not NATS: {broken}"))?;
            let Some((said, used)) = said else { return Ok(()) };
            let is_info = matches!(said, Said::Info(_));
            let event = match self.session.receive(said) {
                Some(Event::Message { sid, payload }) => {
                    home.message(sid, payload);
                    None
                }
                Some(Event::Error(text)) => {
                    home.complains(text);
                    self.complaint = Some(text.to_owned());
                    None
                }
                None if is_info => return Err("what it says of itself is not JSON".into()),
                Some(Event::Greeted) => Some(Event::Greeted),
                Some(Event::Informed) => Some(Event::Informed),
                Some(Event::LetIn) => Some(Event::LetIn),
                Some(Event::Up) => Some(Event::Up),
                Some(Event::Left) => Some(Event::Left),
                None => None,
            };
            self.input.consume(used);
            if let Some(event) = event {
                self.happened(event, home, now)?;
            }
        }
    }

    fn happened(
        &mut self,
        event: Event<'static>,
        home: &mut Home,
        now: Instant,
    ) -> Result<(), String> {
        match event {
            Event::Greeted => {
                self.informed(home, now);
                let secure = self.secure(home)?;
                let options = &home.options;
                let line = connect(&self.session.info, secure, &options.name, &options.login)?;
                self.session.connect(&line, now);
            }
            Event::Informed => {
                self.informed(home, now);
                if self.session.is_up() {
                    home.up(self.session.info.max_payload);
                }
            }
            Event::LetIn => {
                let info = &self.session.info;
                home.tell.line(
                    Level::Info,
                    format_args!(
                        "connected to {} ({} {})",
                        home.server.address, info.name, info.version
                    ),
                );
                home.inbound.counters().nats_connects.add(1);
            }
            Event::Up => {
                self.by = None;
                home.up(self.session.info.max_payload);
            }
            Event::Left => return Err("left it".into()),
            Event::Message { .. } | Event::Error(_) => {}
        }
        Ok(())
    }

    fn informed(&mut self, home: &mut Home, now: Instant) {
        let info = &self.session.info;
        if home.options.discovers && !info.others.is_empty() {
            home.pool.learn(&home.server, &info.others);
        }
        if info.lame_duck && self.leave_at.is_none() && home.pool.has_other(&home.server) {
            self.leave_at = Some(now + home.pool.part_of(LEAVE_WITHIN));
        }
    }

    /// Goes on by TLS if that is asked for; whether it is.
    fn secure(&mut self, home: &Home) -> Result<bool, String> {
        let (options, server, info) = (&home.options, &home.server, &self.session.info);
        if options.tls.is_none() && !server.address.tls && !info.tls_required {
            return Ok(false);
        }
        if !info.tls_required && !info.tls_available {
            return Err("it has no TLS, without which nothing is said".into());
        }
        // Said by whoever stands between, it would be taken for the server's own.
        if !self.input.bytes().is_empty() {
            return Err("it has said more than its greeting before TLS".into());
        }
        let client = match &options.tls {
            Some(client) => client.clone(),
            None => tls::Client::system().map_err(|error| error.to_string())?,
        };
        let name = options.tls_name.as_deref().or(server.named_by.as_deref());
        let name = name.unwrap_or(&server.address.host);
        let server_name = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("\"{name}\" is not a name that a certificate can have"))?;
        let connection = ClientConnection::new(client.without_alpn(), server_name);
        self.stream.secure(connection.map_err(|error| error.to_string())?);
        Ok(true)
    }

    /// Nothing more is sent, and what was sent is to be taken soon.
    pub(super) fn leave(&mut self, now: Instant) {
        self.session.leave(now);
        (self.by, self.leave_at) = (Some(now + LAST_WORDS), None);
    }

    /// What is due by the time; when to come again.
    ///
    /// # Errors
    /// The connection is lost, or was left: why.
    pub(super) fn on_time(&mut self, home: &Home, now: Instant) -> Result<Instant, String> {
        if self.by.is_some_and(|by| now >= by) {
            return Err(if self.session.is_leaving() {
                "left it".into()
            } else {
                let timeout = home.options.connect_timeout.as_millis();
                self.complaint.take().unwrap_or_else(|| format!("not let in within {timeout} ms"))
            });
        }
        if self.leave_at.is_some_and(|at| now >= at) && self.session.is_up() {
            home.tell.line(
                Level::Info,
                format_args!("{} is about to stop: going to another", home.server.address),
            );
            self.leave(now);
        }
        let again = self.session.alive(now)?;
        Ok([self.by, self.leave_at].into_iter().flatten().fold(again, Instant::min))
    }
}
