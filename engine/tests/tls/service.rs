//! An engine that echoes behind TLS, and what it has seen.

use super::certs::{Authority, Certified};
use super::running::{reactors, start, stats, until};
use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::reactor::{Closed, Conn, Context, Handler, Message, Stats, Upgrade};
use ringws_engine::tls::{Server, ServerSettings};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What was seen of connections.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Name and certificate of each upgrade.
    pub(crate) upgrades: Vec<(Option<String>, Option<Vec<u8>>)>,
    /// Codes of each close.
    pub(crate) closes: Vec<(u16, Option<u16>)>,
}

/// Echoes.
#[derive(Default)]
pub(crate) struct Echo(Mutex<Seen>);

impl Handler for Echo {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        assert!(upgrade.is_secure());
        let name = upgrade.server_name().map(str::to_owned);
        let certificate = upgrade.peer_certificate().map(<[u8]>::to_vec);
        self.0.lock().unwrap().upgrades.push((name, certificate));
        Ok(())
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        if message.payload == b"pause" {
            ctx.pause(conn).unwrap();
            let resume = move |ctx: &mut Context| ctx.resume(conn).unwrap();
            ctx.timer_start(Duration::from_millis(300), Box::new(resume));
        }
        if message.payload == b"retain" {
            let kept = ctx.retain(&message);
            ctx.send_message(conn, &kept).unwrap();
            return;
        }
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).unwrap();
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        let codes = (closed.info.code.0, closed.info.sent.map(|code| code.0));
        self.0.lock().unwrap().closes.push(codes);
    }
}

/// A running engine.
pub(crate) struct Service {
    pub(crate) engine: Engine,
    pub(crate) port: u16,
    pub(crate) server: Server,
    pub(crate) echo: Arc<Echo>,
}

impl Service {
    pub(crate) fn new(settings: &ServerSettings) -> Self {
        Self::with(settings, Limits::default(), reactors(1))
    }

    pub(crate) fn with(settings: &ServerSettings, limits: Limits, config: Config) -> Self {
        let server = Server::new(settings).unwrap();
        let echo = Arc::new(Echo::default());
        let tls = Some(server.clone());
        let endpoint = Endpoint { limits, tls, ..Endpoint::new(0, echo.clone()) };
        let (engine, port) = start(config, endpoint);
        Self { engine, port, server, echo }
    }

    /// With one certificate, for `localhost`.
    pub(crate) fn simple() -> (Self, Authority) {
        let authority = Authority::new("test");
        let service = Self::new(&settings(&[&authority.issue(&["localhost"])]));
        (service, authority)
    }

    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.echo.0.lock().unwrap())
    }

    pub(crate) fn stats(&self) -> Stats {
        stats(&self.engine)
    }

    /// Waits until the counters say so.
    pub(crate) fn until(&self, what: &str, done: impl Fn(&Stats) -> bool) {
        until(&self.engine, what, done);
    }
}

/// Those certificates, and no client's.
pub(crate) fn settings(of: &[&Certified]) -> ServerSettings {
    ServerSettings {
        identities: of.iter().map(|certified| certified.identity()).collect(),
        ..ServerSettings::default()
    }
}
