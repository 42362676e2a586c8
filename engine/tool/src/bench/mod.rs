//! `ringws bench`: a load for any server that echoes, by the engine's own client role.

mod load;
mod report;

use crate::by::By;
use crate::dial::Dial;
use crate::error::{Error, Result};
use crate::out::Out;
use crate::size::size;
use clap::Args;
use clap::builder::RangedI64ValueParser;
use load::Load;
use report::Report;
use ringws_engine::config::Config;
use ringws_engine::conn::{Deflate, Limits};
use ringws_engine::engine::Engine;
use ringws_engine::reactor::ConnectError;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What `bench` is told.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// The server, which must send back what it is sent: ws://host:port/path or wss://
    url: String,
    /// Connections
    #[arg(short, long, default_value_t = 50, value_parser = from_one(60_000))]
    connections: u32,
    /// Bytes of each message (16, 4k, 1M)
    #[arg(long, value_name = "BYTES", default_value = "32", value_parser = size)]
    size: u64,
    /// Messages of a connection that are under way at a time
    #[arg(short, long, default_value_t = 1, value_parser = from_one(65_536))]
    depth: u32,
    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
    /// How long to run before that
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    warmup: f64,
    /// Threads of the load; 0: one per CPU
    #[arg(long, default_value_t = 1)]
    threads: u32,
    #[command(flatten)]
    by: By,
    /// Send binary messages in the place of text
    #[arg(short, long)]
    binary: bool,
    /// Offer permessage-deflate
    #[arg(long)]
    deflate: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dial: Dial,
}

/// A number from 1 to that.
fn from_one(most: i64) -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=most)
}

/// How long all connections together may take to open.
const OPENING: Duration = Duration::from_secs(30);

impl Bench {
    pub(crate) fn run(&self, out: &mut Out) -> Result<ExitCode> {
        let seconds = |what: &str, value: f64| {
            Duration::try_from_secs_f64(value)
                .map_err(|error| Error::Usage(format!("--{what}: {error}")))
        };
        let (warmup, measured) =
            (seconds("warmup", self.warmup)?, seconds("seconds", self.seconds)?);
        let size = usize::try_from(self.size).ok().filter(|size| *size <= 64 << 20);
        let size = size.ok_or_else(|| Error::Usage("--size: at most 64M".into()))?;
        let engine = Engine::new(Config {
            reactors: self.threads,
            backend: self.by.backend(),
            ..Config::default()
        })?;
        let depth = self.depth as usize;
        let load = Load::new(engine.reactors(), self.connections, size, depth, self.binary);
        let load = Arc::new(load);
        engine.start()?;
        self.open(&engine, &load, size)?;
        load.go(&engine);
        self.pass(warmup, &load, "warming up", out)?;
        if load.answered() == 0 {
            return Err(Error::Refused {
                url: self.url.clone(),
                why: "no message has come back while warming up".into(),
                next: "bench needs a service that echoes, or a longer --warmup",
            });
        }
        load.begin();
        let begun = Instant::now();
        self.pass(measured, &load, "measuring", out)?;
        let took = begun.elapsed();
        let report = Report::new(self, &load.end(), took);
        engine.stop(Duration::from_millis(100));
        engine.wait()?;
        match self.json {
            true => out.line(format_args!("{}", report.json()?))?,
            false => report.print(out)?,
        }
        Ok(if report.is_whole() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// All connections, or none.
    fn open(&self, engine: &Engine, load: &Arc<Load>, size: usize) -> Result<()> {
        let refused = |why: String| Error::Refused {
            url: self.url.clone(),
            why,
            next: "is the server running, does it take so many connections, and does `ulimit -n`?",
        };
        let mut target = self.dial.target(&self.url, Arc::clone(load) as _)?;
        let room = (size + 64).saturating_mul(self.depth as usize * 2).max(1 << 20);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        target.limits = Limits {
            message_max: u32::try_from(size.max(1 << 16)).unwrap_or(u32::MAX),
            send_queue_max: room,
            deflate: self.deflate.then(Deflate::default),
            ..Limits::default()
        };
        let begun = Instant::now();
        for number in 0..self.connections {
            target.user = number as usize;
            // No more at a time than a backlog holds.
            while number >= load.opened() + 256 && load.refusal().is_none() {
                if begun.elapsed() > OPENING {
                    return Err(refused(format!("only {} connections are open", load.opened())));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            let asked = engine.connect(target.clone());
            asked.map_err(|error| refused(error.to_string()))?;
        }
        while load.opened() < self.connections && load.refusal().is_none() {
            if begun.elapsed() > OPENING {
                return Err(refused(format!("only {} connections are open", load.opened())));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        match load.refusal() {
            None => Ok(()),
            Some(ConnectError::Tls(why)) => {
                Err(Error::Tls { at: self.url.clone(), why: why.to_string() })
            }
            Some(error) => Err(refused(error.to_string())),
        }
    }

    /// Waits, and shows how it goes.
    fn pass(&self, length: Duration, load: &Load, what: &str, out: &mut Out) -> Result<()> {
        let bar = out.bar(length.as_millis() as u64, "ms");
        let begun = Instant::now();
        let mut before = (begun, load.answered());
        while begun.elapsed() < length && load.open() > 0 {
            std::thread::sleep(
                Duration::from_millis(100).min(length - begun.elapsed().min(length)),
            );
            let now = (Instant::now(), load.answered());
            let rate = (now.1 - before.1) as f64 / (now.0 - before.0).as_secs_f64().max(1e-9);
            bar.set_position(begun.elapsed().as_millis() as u64);
            bar.set_message(format!("{what}: {rate:.0} messages/s"));
            before = now;
        }
        bar.finish_and_clear();
        Ok(())
    }
}
