//! The options of `serve` that become settings of the engine.

use crate::error::{Error, Result};
use crate::size::size;
use clap::Args;
use ringws_engine::config::{Address, Endpoint};
use ringws_engine::conn::{self, Deflate};
use ringws_engine::proto::Origins;
use ringws_engine::reactor::Handler;
use ringws_engine::tls::{Identity, Pem, Server, ServerSettings};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Where, and for whose pages.
#[derive(Args, Debug)]
pub(super) struct Listen {
    /// Address to listen on; 0.0.0.0 and :: are all
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    address: IpAddr,
    /// Port; 0: a free one, which is printed
    #[arg(short, long, default_value_t = 9001)]
    port: u16,
    /// A Unix socket in the place of an address
    #[arg(long, value_name = "PATH", conflicts_with_all = ["address", "port"])]
    unix: Option<PathBuf>,
    /// Whose web pages may connect: `same`, `any`, or origins with commas between them
    #[arg(long, value_name = "ORIGINS", default_value = "same")]
    origins: String,
}

impl Listen {
    pub(super) fn endpoint(
        &self,
        handler: Arc<dyn Handler>,
        limits: conn::Limits,
        tls: Option<Server>,
    ) -> Result<Endpoint> {
        let origins = match self.origins.as_str() {
            "same" => Origins::Same,
            "any" => Origins::Any,
            list => Origins::parse(list)
                .map_err(|error| Error::Usage(format!("--origins \"{list}\": {error}")))?,
        };
        let (address, port) = match &self.unix {
            Some(path) => (Address::Unix(path.clone()), 0),
            None => (Address::Ip(self.address), self.port),
        };
        Ok(Endpoint { address, limits, tls, origins, ..Endpoint::new(port, handler) })
    }

    /// What to connect to.
    pub(super) fn url(&self, port: u16, secure: bool) -> String {
        let scheme = if secure { "wss" } else { "ws" };
        match (&self.unix, self.address) {
            (Some(path), _) => path.display().to_string(),
            (None, IpAddr::V6(ip)) => format!("{scheme}://[{ip}]:{port}/"),
            (None, ip) => format!("{scheme}://{ip}:{port}/"),
        }
    }
}

/// Who we are.
#[derive(Args, Debug)]
pub(super) struct Tls {
    /// Certificate chain (PEM): serve wss://. SIGHUP reads it anew
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS")]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    tls_key: Option<PathBuf>,
}

impl Tls {
    pub(super) fn settings(&self) -> Option<ServerSettings> {
        let (chain, key) = self.tls_cert.clone().zip(self.tls_key.clone())?;
        let identities = vec![Identity { chain: Pem::File(chain), key: Pem::File(key) }];
        Some(ServerSettings { identities, ..ServerSettings::default() })
    }

    pub(super) fn server(&self) -> Result<Option<Server>> {
        let server = self.settings().map(|settings| Server::new(&settings)).transpose();
        server.map_err(|error| Error::Usage(format!("--tls-cert, --tls-key: {error}")))
    }
}

/// What a connection may cost.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub(super) struct Limits {
    /// Bytes of one message (64k, 16M)
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = size)]
    message_max: u64,
    /// Bytes that may wait to be sent to one connection
    #[arg(long, value_name = "BYTES", default_value = "1M", value_parser = size)]
    send_queue_max: u64,
    /// Connections of each reactor; 0: 65,536
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) connections_max: u32,
    /// Bytes held for all peers; 0: half of what the process may use
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = size)]
    pub(super) memory_max: u64,
    /// Silence after which a connection is ended
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    idle_timeout: u32,
    /// Compress with permessage-deflate
    #[arg(long)]
    deflate: bool,
    /// The same, with a memory per connection (context takeover)
    #[arg(long)]
    deflate_takeover: bool,
}

impl Limits {
    pub(super) fn of_connections(&self, requests: bool) -> conn::Limits {
        let takeover = self.deflate_takeover;
        let most = |size: u64| u32::try_from(size).unwrap_or(u32::MAX);
        conn::Limits {
            message_max: most(self.message_max),
            send_queue_max: most(self.send_queue_max),
            idle_timeout_ms: self.idle_timeout.saturating_mul(1_000),
            deflate: (self.deflate || takeover).then(|| Deflate { takeover, ..Deflate::default() }),
            requests,
            ..conn::Limits::default()
        }
    }
}
