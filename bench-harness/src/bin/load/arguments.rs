//! What `load` is asked for.

use clap::{Args, Parser, Subcommand};
use ringws_bench::scenario::{Deflate, Kind, Scenario};
use ringws_bench::{Error, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Loads a server and checks every byte that comes back.
#[derive(Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) mode: Mode,
}

#[derive(Subcommand)]
pub(crate) enum Mode {
    /// Every connection keeps `depth` messages in flight.
    Closed {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        times: Seconds,
        /// Messages in flight on each connection.
        #[arg(long, default_value_t = 1)]
        depth: usize,
        /// Threads, each with its share of the connections.
        #[arg(long)]
        threads: Option<usize>,
        /// CPUs for the threads, one each, with commas between them.
        #[arg(long, value_delimiter = ',', conflicts_with = "cpu")]
        cpus: Vec<usize>,
    },
    /// Messages leave at a fixed rate; latency counts from when a message was to leave.
    Open {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        times: Seconds,
        /// Messages per second on all connections together.
        #[arg(long)]
        rate: f64,
        /// Seconds to wait at the end for what has not come back.
        #[arg(long, default_value_t = 2.0)]
        grace: f64,
        /// Sleep until a message is due instead of spinning for the last microseconds.
        #[arg(long)]
        no_spin: bool,
    },
    /// Opens and closes connections, one handshake after the other.
    Churn {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        times: Seconds,
        /// Exchange one message on each connection.
        #[arg(long)]
        message: bool,
        /// End TCP after the closing handshake instead of leaving it to the server.
        #[arg(long)]
        client_ends: bool,
        /// Seconds that one answer may take.
        #[arg(long, default_value_t = 5.0)]
        patience: f64,
    },
    /// One connection more publishes messages that the server sends to all.
    Broadcast {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        times: Seconds,
        /// Messages that may be on their way at the same time.
        #[arg(long, default_value_t = 1)]
        depth: usize,
        /// Messages per second, instead of the next when all have the last.
        #[arg(long)]
        rate: Option<f64>,
    },
    /// Opens connections and holds them.
    Idle {
        #[command(flatten)]
        common: Common,
        /// Exchange one message on each before they fall quiet.
        #[arg(long)]
        message: bool,
        /// Seconds to hold them.
        #[arg(long, visible_alias = "hold", default_value_t = 10.0)]
        seconds: f64,
        /// Then send a Ping on each every so many seconds, for as long again.
        #[arg(long)]
        ping_interval: Option<f64>,
    },
}

#[derive(Args)]
pub(crate) struct Common {
    /// The server.
    #[arg(long, default_value = "127.0.0.1:9001")]
    pub(crate) server: SocketAddr,
    /// Connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Payload bytes of a message.
    #[arg(long, default_value_t = 20)]
    size: usize,
    /// Text messages instead of binary ones.
    #[arg(long, conflicts_with_all = ["raw", "json_text"])]
    text: bool,
    /// JSON instead: tickers and orders.
    #[arg(long = "payload-json", conflicts_with = "raw")]
    json_text: bool,
    /// Negotiate permessage-deflate without context takeover, and send compressed messages; with
    /// `takeover`, the server may keep a compressor for each connection. Closed loops and idle
    /// connections only.
    #[arg(long, value_name = "HOW", num_args = 0..=1, default_missing_value = "shared",
        value_parser = deflate)]
    deflate: Option<Deflate>,
    /// TLS 1.3; the certificate is not verified.
    #[arg(long, conflicts_with = "raw")]
    tls: bool,
    /// Bytes without WebSocket, for `ceiling-tcp` without `--frames`.
    #[arg(long)]
    raw: bool,
    /// CPU to run on.
    #[arg(long)]
    pub(crate) cpu: Option<usize>,
    /// Process of the server, to read what it uses.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Write JSON to a file; without a name, or with `-`, to the standard output only.
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = "-")]
    pub(crate) json: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Seconds {
    /// Seconds that are measured.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds of load before.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
}

/// The same as durations.
pub(crate) struct Times {
    pub(crate) warmup: Duration,
    pub(crate) timed: Duration,
}

impl Seconds {
    pub(crate) fn read(&self) -> Result<Times> {
        Ok(Times { warmup: duration(self.warmup)?, timed: duration(self.seconds)? })
    }
}

impl Common {
    pub(crate) fn scenario(&self, depth: usize) -> Scenario {
        let kind = match (self.text, self.json_text, self.raw) {
            (true, ..) => Kind::Text,
            (_, true, _) => Kind::Json,
            (.., true) => Kind::Raw,
            _ => Kind::Binary,
        };
        Scenario {
            deflate: self.deflate.unwrap_or_default(),
            tls: self.tls,
            ..Scenario::plain(self.connections, self.size, depth, kind)
        }
    }
}

impl Mode {
    pub(crate) fn common(&self) -> &Common {
        match self {
            Self::Closed { common, .. }
            | Self::Open { common, .. }
            | Self::Churn { common, .. }
            | Self::Broadcast { common, .. }
            | Self::Idle { common, .. } => common,
        }
    }

    /// About how long it will take.
    pub(crate) fn length(&self) -> Result<Duration> {
        match self {
            Self::Closed { times, .. }
            | Self::Open { times, .. }
            | Self::Churn { times, .. }
            | Self::Broadcast { times, .. } => duration(times.warmup + times.seconds),
            Self::Idle { seconds, ping_interval, .. } => {
                duration(seconds + ping_interval.map_or(0.0, |interval| interval.max(*seconds)))
            }
        }
    }
}

fn deflate(how: &str) -> std::result::Result<Deflate, String> {
    let known = [Deflate::Off, Deflate::Shared, Deflate::Takeover];
    known.into_iter().find(|it| it.name() == how).ok_or_else(|| "off, shared, takeover".into())
}

/// The CPU of each thread, if there are to be several or certain ones.
pub(crate) fn threads(count: Option<usize>, cpus: &[usize]) -> Result<Option<Vec<Option<usize>>>> {
    match (count, cpus.len()) {
        (None, 0) => Ok(None),
        (Some(count), 0) => Ok(Some(vec![None; count])),
        (Some(count), given) if count != given => {
            Err(Error::Usage(format!("{count} threads and {given} CPUs")))
        }
        _ => Ok(Some(cpus.iter().copied().map(Some).collect())),
    }
}

pub(crate) fn duration(seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(seconds).map_err(|error| Error::Usage(error.to_string()))
}
