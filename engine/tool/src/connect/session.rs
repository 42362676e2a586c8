//! A connection of the engine's client, whose callbacks become events.

use super::ended;
use super::line::{HELP, Said};
use crate::dial::Dial;
use crate::error::{Error, Result};
use crate::out::Out;
use ringws_engine::config::Config;
use ringws_engine::conn::{Deflate, Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::{CloseCode, Opcode};
use ringws_engine::reactor::{
    Cause, Closed, Conn, ConnectError, Context, Handle, Handler, Message, NotConnected,
};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What has happened.
pub(super) enum Event {
    Opened(Conn, Vec<String>),
    Refused { why: String, tls: bool },
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Closed(Ending),
}

/// How it ended.
pub(super) struct Ending {
    code: u16,
    reason: String,
    error: Option<String>,
    /// We have asked for it.
    ours: bool,
}

impl Event {
    /// 0 for an end in order, else 1.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Closed(Ending { ours: true, error: None, .. })
            | Self::Closed(Ending { code: 1000 | 1001 | 1005, error: None, .. }) => {
                ExitCode::SUCCESS
            }
            _ => ExitCode::FAILURE,
        }
    }
}

/// How events are shown.
#[derive(Clone, Copy)]
pub(super) struct Show {
    pub(super) json: bool,
}

impl Show {
    pub(super) fn event(&self, event: &Event) -> String {
        match event {
            Event::Text(text) => self.text(text),
            Event::Binary(bytes) => {
                format!("{} bytes: {}", bytes.len(), crate::words::hex(bytes, 64))
            }
            Event::Pong(bytes) => format!("Pong \"{}\"", bytes.escape_ascii()),
            Event::Closed(Ending { code, reason, error, .. }) => {
                ended(*code, reason, error.as_deref())
            }
            Event::Opened(..) => "open".into(),
            Event::Refused { why, .. } => why.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        let read =
            self.json.then(|| serde_json::from_str::<serde_json::Value>(text).ok()).flatten();
        let pretty = read.and_then(|value| serde_json::to_string_pretty(&value).ok());
        pretty.unwrap_or_else(|| text.to_owned())
    }
}

/// Passes on what is called.
struct Events(Mutex<Sender<Event>>);

impl Events {
    fn tell(&self, event: Event) {
        // Nobody listens any more when the program is about to end.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(event);
    }
}

impl Handler for Events {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        let answer = ctx.answer_of(conn);
        let named = [
            "Upgrade",
            "Connection",
            "Server",
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
        ];
        let line = |name: &&str| {
            let value = String::from_utf8_lossy(answer?.header(name)?).into_owned();
            Some(format!("{name}: {value}"))
        };
        let head = named.iter().filter_map(line).collect();
        self.tell(Event::Opened(conn, head));
    }

    fn on_refused(&self, _ctx: &mut Context, why: &mut NotConnected<'_>) {
        self.tell(match &why.error {
            ConnectError::Tls(why) => Event::Refused { why: why.to_string(), tls: true },
            error => Event::Refused { why: error.to_string(), tls: false },
        });
    }

    fn on_message(&self, _ctx: &mut Context, _conn: Conn, message: Message<'_>) {
        self.tell(match message.opcode {
            Opcode::Text => Event::Text(String::from_utf8_lossy(message.payload).into_owned()),
            _ => Event::Binary(message.payload.to_vec()),
        });
    }

    fn on_pong(&self, _ctx: &mut Context, _conn: Conn, payload: &[u8]) {
        self.tell(Event::Pong(payload.to_vec()));
    }

    fn on_close(&self, _ctx: &mut Context, _conn: Conn, closed: &mut Closed<'_>) {
        let (code, reason) = (closed.info.code.0, closed.info.reason.to_owned());
        let error = closed.error.as_ref().map(ToString::to_string);
        let ours = closed.cause == Cause::Close;
        self.tell(Event::Closed(Ending { code, reason, error, ours }));
    }
}

/// An open connection.
pub(super) struct Session {
    engine: Engine,
    speaker: Speaker,
    events: Receiver<Event>,
    head: Vec<String>,
}

/// Says something on it, from any thread.
#[derive(Clone)]
pub(super) struct Speaker {
    handle: Handle,
    conn: Conn,
}

/// Messages of a client may be large: it has asked for them.
const MESSAGE_MAX: u32 = 256 << 20;

impl Session {
    pub(super) fn open(url: &str, dial: &Dial) -> Result<Self> {
        let engine = Engine::new(Config { reactors: 1, connections_max: 16, ..Config::default() })?;
        engine.start()?;
        let (to, events) = channel();
        let mut target = dial.target(url, Arc::new(Events(Mutex::new(to))))?;
        target.limits = Limits {
            message_max: MESSAGE_MAX,
            send_queue_max: MESSAGE_MAX,
            deflate: Some(Deflate::default()),
            ..Limits::default()
        };
        let refused = |why: String, next| Error::Refused { url: url.into(), why, next };
        engine.connect(target).map_err(|error| refused(error.to_string(), "is the URL right?"))?;
        match events.recv() {
            Ok(Event::Opened(conn, head)) => {
                let speaker = Speaker { handle: engine.handle().clone(), conn };
                Ok(Self { engine, speaker, events, head })
            }
            Ok(Event::Refused { why, tls: true }) => Err(Error::Tls { at: url.into(), why }),
            Ok(Event::Refused { why, .. }) => {
                Err(refused(why, "is the server running, and are port, path and headers right?"))
            }
            _ => Err(refused("the engine has ended".into(), "`ringws probe` may tell why")),
        }
    }

    /// What speaks, what happens, and the engine of both.
    pub(super) fn into_parts(self) -> (Engine, Speaker, Receiver<Event>) {
        (self.engine, self.speaker, self.events)
    }

    /// The answer that has opened it.
    pub(super) fn head(&self) -> &[String] {
        &self.head
    }

    pub(super) fn say(&self, said: Said) -> Result<()> {
        self.speaker.say(said)
    }

    /// What happens next, within a time.
    pub(super) fn next(&self, longest: Duration) -> Option<Event> {
        self.events.recv_timeout(longest).ok()
    }

    /// The closing handshake, and how it ended.
    pub(super) fn close(&mut self, out: &mut Out) -> Result<ExitCode> {
        self.say(Said::Close(1000, String::new()))?;
        loop {
            match self.events.recv() {
                Ok(event @ Event::Closed(_)) => {
                    let code = event.exit_code();
                    if code != ExitCode::SUCCESS {
                        out.note(format_args!("{}", Show { json: false }.event(&event)))?;
                    }
                    return Ok(code);
                }
                Ok(_) => {}
                Err(_) => return Ok(ExitCode::FAILURE),
            }
        }
    }
}

impl Speaker {
    /// What a connection that has gone is told is lost; how it ended comes as an event.
    pub(super) fn say(&self, said: Said) -> Result<()> {
        use ringws_engine::reactor::CallError::{Gone, Stopped};
        let (handle, conn, flags) = (&self.handle, self.conn, SendFlags::default());
        let done = match said {
            Said::Text(text) => handle.send(conn, Opcode::Text, text.as_bytes(), flags),
            Said::Binary(bytes) => handle.send(conn, Opcode::Binary, &bytes, flags),
            Said::Ping(text) => handle.send(conn, Opcode::Ping, text.as_bytes(), flags),
            Said::Close(code, reason) => handle.close(conn, CloseCode(code), &reason),
            Said::Help => return Out.note(format_args!("{HELP}")),
        };
        match done {
            Ok(()) | Err(Gone | Stopped) => Ok(()),
            Err(error) => Err(Error::Usage(error.to_string())),
        }
    }
}
