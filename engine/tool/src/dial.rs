//! Targets of the engine's client, as the command line names them.

use crate::check::Wire;
use crate::error::{Error, Result};
use crate::place::Place;
use crate::trust::Trust;
use clap::Args;
use ringws_engine::reactor::{Handler, Target};
use ringws_engine::tls::{Client, ClientSettings, Pem};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use x509_parser::extensions::GeneralName;

/// How to ask a server.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Dial {
    /// A header of the request
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// A subprotocol to offer
    #[arg(short = 's', long = "subprotocol", value_name = "NAME")]
    protocols: Vec<String>,
    #[command(flatten)]
    pub(crate) trust: Trust,
}

impl Dial {
    pub(crate) fn target(&self, url: &str, handler: Arc<dyn Handler>) -> Result<Target> {
        let bad = |why: String| Error::Url { url: url.into(), why };
        let mut target = Target::new(url, handler).map_err(|error| bad(error.to_string()))?;
        for name in &self.protocols {
            let offered = target.offer_protocol(name);
            offered.map_err(|error| Error::Usage(format!("-s \"{name}\": {error}")))?;
        }
        for line in &self.headers {
            let (name, value) = crate::header(line)?;
            let added = target.add_header(&name, value.as_bytes());
            added.map_err(|error| Error::Usage(format!("-H \"{line}\": {error}")))?;
        }
        if url.starts_with("wss:") {
            target.tls = self.tls(url)?;
        }
        Ok(target)
    }

    /// Settings of TLS; `None`: whom the system trusts.
    fn tls(&self, url: &str) -> Result<Option<Client>> {
        let mut settings = ClientSettings::default();
        if let Some(path) = &self.trust.ca {
            settings.roots = Some(Pem::File(path.clone()));
        } else if self.trust.insecure {
            // Whatever it shows now is what it must show then.
            settings.pinned = Some(Pem::Bytes(shown(url, &self.trust)?.into_bytes()));
        } else {
            return Ok(None);
        }
        let client = Client::new(&settings);
        client.map(Some).map_err(|error| Error::Tls { at: url.into(), why: error.to_string() })
    }
}

/// How long a look at a server may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The certificate that a server shows, in PEM.
fn shown(url: &str, trust: &Trust) -> Result<String> {
    let place = Place::find(url)?;
    let wire = Wire::open(&place, Some(&trust.config()?), PATIENCE)?;
    let shown = wire.tls().and_then(|tls| tls.peer_certificates()?.first());
    let der = shown.ok_or_else(|| Error::Tls { at: url.into(), why: "no certificate".into() })?;
    Ok(pem::encode(&pem::Pem::new("CERTIFICATE", der.as_ref())))
}

/// A name of a certificate. An address is four or sixteen bytes (RFC 5280 §4.2.1.6).
fn name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.map_or_else(|_| name.to_string(), |address| address.to_string())
        }
        other => other.to_string(),
    }
}

/// What TLS with a server comes to, in lines: seen by a handshake of its own.
pub(crate) fn describe(url: &str, trust: &Trust) -> Result<Vec<String>> {
    let place = Place::find(url)?;
    let wire = Wire::open(&place, Some(&trust.config()?), PATIENCE)?;
    let Some(tls) = wire.tls() else { return Ok(Vec::new()) };
    let mut lines = Vec::new();
    let version = tls.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let group = tls.negotiated_key_exchange_group().and_then(|group| group.name().as_str());
    lines.push(format!("{version}, {}, {}", suite.unwrap_or("-"), group.unwrap_or("-")));
    for certificate in tls.peer_certificates().unwrap_or_default() {
        let Ok((_, read)) = x509_parser::parse_x509_certificate(certificate) else {
            lines.push("a certificate that cannot be read".into());
            continue;
        };
        lines.push(format!("certificate of {}, by {}", read.subject(), read.issuer()));
        if let Ok(Some(names)) = read.subject_alternative_name() {
            let names: Vec<_> = names.value.general_names.iter().map(name).collect();
            lines.push(format!("  for {}", names.join(", ")));
        }
        let validity = read.validity();
        lines.push(format!("  from {} to {}", validity.not_before, validity.not_after));
    }
    Ok(lines)
}
