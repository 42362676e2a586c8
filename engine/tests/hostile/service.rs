//! The service under attack: an echo that does what the path of the request says.

use super::row::Limits;
use super::running::{at_of, reactors, start, until};
use ringws_engine::config::{Config, Endpoint, Proxies};
use ringws_engine::conn::{Limits as ConnLimits, Queued, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::CloseCode;
use ringws_engine::proto::handshake::{Refusal, Reply};
use ringws_engine::reactor::{Asked, Closed, Conn, Context, Handler, Message, Upgrade};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const CLOSE: usize = 1;
const ABORT: usize = 2;
const SINK: usize = 3;

#[derive(Default)]
struct Echo {
    opened: AtomicU64,
    closed: AtomicU64,
}

impl Handler for Echo {
    fn on_upgrade(&self, _: &mut Context, upgrade: &mut Upgrade<'_>) -> Result<(), Refusal> {
        let behaviour = match upgrade.request().target() {
            "/refuse" => return Err(Refusal::new(403)),
            "/close" => CLOSE,
            "/abort" => ABORT,
            "/sink" => SINK,
            _ => 0,
        };
        upgrade.set_user(behaviour);
        Ok(())
    }

    fn on_request(&self, _: &mut Context, asked: &Asked<'_>) -> Reply {
        Reply::new(200).with_body(asked.request().body())
    }

    fn on_open(&self, _: &mut Context, _: Conn) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let done = match ctx.user(conn) {
            Some(CLOSE) => ctx.close(conn, CloseCode(4000), "").map(|()| Queued::Ok),
            Some(ABORT) => ctx.abort(conn).map(|()| Queued::Ok),
            Some(SINK) => Ok(Queued::Ok),
            _ => ctx.send(conn, message.opcode, message.payload, SendFlags::default()),
        };
        if done == Ok(Queued::Full) {
            // A slow reader: stop reading from it.
            ctx.pause(conn).expect("the connection under delivery");
        }
    }

    fn on_drain(&self, ctx: &mut Context, conn: Conn) {
        ctx.resume(conn).expect("the connection that has drained");
    }

    fn on_close(&self, _: &mut Context, _: Conn, _: &mut Closed<'_>) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
}

/// An engine with one endpoint.
pub(crate) struct Service {
    pub(crate) engine: Engine,
    pub(crate) port: u16,
    echo: Arc<Echo>,
}

impl Service {
    pub(crate) fn new(limits: ConnLimits) -> Self {
        Self::behind(None, limits)
    }

    fn behind(proxies: Option<Proxies>, limits: ConnLimits) -> Self {
        let config = Config {
            connections_max: 12_000,
            recv_buffers: 64,
            recv_buffer_size: 4096,
            ..reactors(1)
        };
        let echo = Arc::new(Echo::default());
        let (engine, port) = start(config, Endpoint { limits, proxies, ..at_of(echo.clone()) });
        Self { engine, port, echo }
    }

    /// Waits until nobody is connected any more; every open must have had its close.
    pub(crate) fn quiesce(&self) {
        until(&self.engine, "quiet, each open with its close", |stats| {
            let opened = self.echo.opened.load(Ordering::Relaxed);
            stats.connections == 0 && opened == self.echo.closed.load(Ordering::Relaxed)
        });
    }
}

/// One service for each set of limits.
#[derive(Default)]
pub(crate) struct Services(BTreeMap<Limits, Service>);

impl Services {
    pub(crate) fn with(&mut self, limits: Limits) -> &Service {
        self.0.entry(limits).or_insert_with(|| Service::behind(limits.proxies(), limits.get()))
    }

    pub(crate) fn quiesce(&self) {
        self.0.values().for_each(Service::quiesce);
    }
}
