//! Engines whose topics cross a broker, and members of these topics.

use super::service::{at, reactors, stats};
use ringws_engine::broker::BusConfig;
use ringws_engine::config::{Config, Endpoint};
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::memory::Outgoing;
use ringws_engine::nats::{Nats, Options};
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{CallError, Conn, Context, Handler, Message, Stats};
use ringws_kit::{BINARY, Client, until};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Makes whoever sends the name of a topic a member of it.
struct Joins;

impl Handler for Joins {
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.join(conn, message.payload).expect("a topic");
        ctx.send(conn, Opcode::Text, b"joined", SendFlags::default()).expect("room");
    }
}

/// An engine.
pub(crate) struct Site {
    pub(crate) engine: Engine,
    port: u16,
    /// Lines of the log that were looked at for how the bus stands.
    seen: Mutex<usize>,
    log: Arc<Mutex<Vec<String>>>,
}

/// That broker alone, with little patience.
pub(crate) fn options(server: &str) -> Options {
    Options {
        servers: vec![server.to_owned()],
        reconnect_min_ms: 20,
        reconnect_max_ms: 200,
        connect_timeout_ms: 2_000,
        ..Options::default()
    }
}

impl Site {
    /// Starts, whether there is a broker or not.
    pub(crate) fn start(options: Options) -> Self {
        Self::start_with(options, BusConfig::default())
    }

    pub(crate) fn start_with(options: Options, bus: BusConfig) -> Self {
        let log = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&log);
        let config = Config {
            topic_bytes_max: 65_535,
            log: Some(Arc::new(move |_, line: &str| lines.lock().unwrap().push(line.to_owned()))),
            ..reactors(1)
        };
        let engine = Engine::new(config).expect("an engine");
        let bus = BusConfig { heartbeat_ms: 100, ..bus };
        engine.set_bus(bus, Box::new(Nats::new(options).expect("options"))).expect("a bus");
        // What has waited for the broker comes at once.
        let limits = Limits { send_queue_max: 64 << 20, ..Limits::default() };
        let port = engine.listen(Endpoint { limits, ..at(Joins) }).expect("a port");
        engine.start().expect("io_uring");
        Self { engine, port, seen: Mutex::new(0), log }
    }

    /// Starts, and waits for the broker.
    pub(crate) fn up(options: Options) -> Self {
        let site = Self::start(options);
        site.wait_up();
        site
    }

    /// As the log has it, which misses nothing between two looks: the last line about the bus.
    pub(crate) fn is_up(&self) -> bool {
        let log = self.log.lock().unwrap();
        log.iter()
            .rfind(|line| line.contains("the bus is "))
            .is_some_and(|line| line.ends_with("up"))
    }

    pub(crate) fn wait_up(&self) {
        until("the bus is up", || self.is_up());
    }

    /// It goes down, or has since this was last waited for: why.
    pub(crate) fn wait_down(&self) -> String {
        let mut why = String::new();
        until("the bus is down", || {
            let (log, mut seen) = (self.log.lock().unwrap(), self.seen.lock().unwrap());
            let down = log.iter().skip(*seen).position(|line| line.contains("the bus is down"));
            down.is_some_and(|at| {
                *seen += at + 1;
                why.clone_from(&log[*seen - 1]);
                true
            })
        });
        why
    }

    pub(crate) fn stats(&self) -> Stats {
        stats(&self.engine)
    }

    /// How many lines of the log have this.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).count()
    }

    pub(crate) fn wait_logged(&self, text: &str) {
        until(text, || self.logged(text) > 0);
    }

    pub(crate) fn publish(&self, topic: &[u8], text: &[u8]) -> Result<(), CallError> {
        self.engine.handle().publish(topic, &Outgoing::copied(Opcode::Binary, text), None)
    }

    /// A member of a topic that can leave.
    pub(crate) fn guest(&self, topic: &[u8]) -> Client {
        let mut client = Client::connect(self.port);
        client.send(BINARY, topic);
        client.hears(ringws_kit::TEXT, "joined");
        client
    }

    /// A member of these topics, which hears what is published at `from`.
    pub(crate) fn member(&self, topics: &[&[u8]], from: &Self) -> Member {
        let mut client = Client::connect(self.port);
        for topic in topics {
            client.send(BINARY, topic);
            client.hears(ringws_kit::TEXT, "joined");
        }
        let heard = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let to = Arc::clone(&heard);
        thread::spawn(move || {
            let mut client = client.with_patience(Duration::from_secs(60));
            while let Ok((BINARY, message)) = client.try_receive() {
                to.lock().unwrap().push(message);
            }
        });
        let member = Member { heard };
        topics.iter().for_each(|topic| member.reach(from, topic));
        member
    }
}

/// What comes of probes is not listened to.
const PROBE: &[u8] = b"probe ";

/// Somebody who listens.
pub(crate) struct Member {
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Member {
    /// Waits until what is published there comes here.
    pub(crate) fn reach(&self, from: &Site, topic: &[u8]) {
        let probe = [PROBE, topic].concat();
        until("what is published comes", || {
            from.publish(topic, &probe).expect("room");
            thread::sleep(Duration::from_millis(5));
            self.heard.lock().unwrap().contains(&probe)
        });
    }

    /// All but probes.
    pub(crate) fn heard(&self) -> Vec<Vec<u8>> {
        let all = self.heard.lock().unwrap();
        all.iter().filter(|text| !text.starts_with(PROBE)).cloned().collect()
    }

    /// Waits until it has heard this last.
    pub(crate) fn hears(&self, text: &[u8]) {
        until("a message", || self.heard().last().is_some_and(|last| last == text));
    }
}
