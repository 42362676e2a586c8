//! `ringws serve`: a server for a desk, with the engine's own limits, drain and metrics.

mod chat;
mod files;
mod service;
mod settings;

use crate::by::By;
use crate::error::{Error, Result};
use crate::out::Out;
use clap::{ArgGroup, Args};
use ringws_engine::config::Config;
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{Drain, Drained};
use settings::{Limits, Listen, Tls};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What `serve` is told.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("service").args(["echo", "chat"])))]
pub(crate) struct Serve {
    /// Send back each message (the default)
    #[arg(long)]
    echo: bool,
    /// Rooms: what is said on a path is heard by all that have connected to that path
    #[arg(long)]
    chat: bool,
    /// Also serve the files below a directory over HTTP
    #[arg(long, value_name = "DIR")]
    files: Option<PathBuf>,
    /// Also serve counters for Prometheus at /metrics
    #[arg(long)]
    metrics: bool,
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    tls: Tls,
    /// Threads, each with a ring; 0: one per CPU
    #[arg(long, value_name = "N", default_value_t = 0)]
    reactors: u32,
    #[command(flatten)]
    by: By,
    /// How long connections have for their part of the closing handshake at the end
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    grace: u64,
    #[command(flatten)]
    limits: Limits,
}

impl Serve {
    pub(crate) fn run(&self, out: &mut Out) -> Result<ExitCode> {
        let engine = Engine::new(Config {
            reactors: self.reactors,
            connections_max: self.limits.connections_max,
            memory_max: self.limits.memory_max,
            backend: self.by.backend(),
            ..Config::default()
        })?;
        let answers = files::Answers::default();
        let files = self.files.as_deref().map(|dir| files::Files::open(dir, &answers));
        let service = service::Service {
            rooms: self.chat.then(chat::Rooms::default),
            files: files.transpose()?,
            metrics: self.metrics,
        };
        let tls = self.tls.server()?;
        let requests = self.files.is_some() || self.metrics;
        let limits = self.limits.of_connections(requests);
        let endpoint = self.listen.endpoint(Arc::new(service), limits, tls.clone())?;
        let port = engine.listen(endpoint)?;
        answers.begin(engine.handle());
        // Before the line that says that we are there: whoever reads it may send a signal.
        let signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        engine.start()?;
        out.line(format_args!("listening on {}", self.listen.url(port, tls.is_some())))?;
        let drained = self.until_signalled(&engine, signals, tls.as_ref(), out)?;
        answers.end();
        if let Some(Drained { closed, timed_out, aborted, lost, .. }) = drained {
            let cut = timed_out + aborted + lost;
            out.line(format_args!("drained: {closed} closed, {cut} cut off"))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Serves until the first signal, drains, and ends at once at the second.
    fn until_signalled(
        &self,
        engine: &Engine,
        mut signals: Signals,
        tls: Option<&ringws_engine::tls::Server>,
        out: &mut Out,
    ) -> Result<Option<Drained>> {
        let told = Arc::new(Mutex::new(None));
        let (tells, waking) = (Arc::clone(&told), signals.handle());
        let mut draining = false;
        for signal in signals.forever() {
            if signal == SIGHUP {
                self.reload(tls, out)?;
            } else if draining {
                engine.stop(Duration::ZERO);
            } else {
                draining = true;
                out.note(format_args!("draining; once more ends at once"))?;
                let (tells, waking) = (Arc::clone(&tells), waking.clone());
                let on_drained = Arc::new(move |drained: &Drained| {
                    *tells.lock().unwrap_or_else(PoisonError::into_inner) = Some(*drained);
                    waking.close();
                });
                let deadline = Duration::from_secs(self.grace);
                let drain = Drain { deadline, on_drained: Some(on_drained), ..Drain::default() };
                engine.drain(drain).map_err(|error| Error::Usage(error.to_string()))?;
            }
        }
        engine.wait()?;
        Ok(*told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn reload(&self, tls: Option<&ringws_engine::tls::Server>, out: &mut Out) -> Result<()> {
        let (Some(server), Some(settings)) = (tls, self.tls.settings()) else { return Ok(()) };
        match server.reload(&settings) {
            Ok(()) => out.note(format_args!("certificates read anew")),
            Err(error) => out.note(format_args!("certificates stay as they were: {error}")),
        }
    }
}
