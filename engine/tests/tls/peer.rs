//! Clients over rustls's own I/O.

use super::certs::{Authority, Certified};
use ringws_kit::{Client, tcp};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

/// A connection that is open.
pub(crate) type Peer = Client<StreamOwned<ClientConnection, TcpStream>>;

/// How a client connects.
pub(crate) struct Dial<'a> {
    pub(crate) roots: &'a Authority,
    pub(crate) name: &'a str,
    pub(crate) certificate: Option<&'a Certified>,
    pub(crate) versions: &'a [&'static SupportedProtocolVersion],
    pub(crate) alpn: &'a [&'a [u8]],
}

impl<'a> Dial<'a> {
    pub(crate) fn new(roots: &'a Authority) -> Self {
        let versions = rustls::ALL_VERSIONS;
        Self { roots, name: "localhost", certificate: None, versions, alpn: &[] }
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.config_of(rustls::crypto::aws_lc_rs::default_provider())
    }

    pub(crate) fn config_of(&self, provider: CryptoProvider) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let pem = self.roots.pem();
        let issuer = Certified { chain: pem, key: String::new() };
        roots.add(issuer.der()).unwrap();
        let tls13 = provider.cipher_suites.iter().any(|suite| suite.tls13().is_some());
        let tls12 = provider.cipher_suites.iter().any(|suite| suite.tls13().is_none());
        let usable = |version: &&&SupportedProtocolVersion| match version.version {
            rustls::ProtocolVersion::TLSv1_3 => tls13,
            _ => tls12,
        };
        let versions: Vec<_> = self.versions.iter().filter(usable).copied().collect();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.certificate {
            None => builder.with_no_client_auth(),
            Some(own) => builder.with_client_auth_cert(vec![own.der()], own.key_der()).unwrap(),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }

    pub(crate) fn open(&self, port: u16) -> io::Result<Peer> {
        self.open_with(self.config(), port)
    }

    pub(crate) fn open_with(&self, config: Arc<ClientConfig>, port: u16) -> io::Result<Peer> {
        let name = ServerName::try_from(self.name.to_owned()).unwrap();
        let conn = ClientConnection::new(config, name).unwrap();
        Client::try_open(StreamOwned::new(conn, tcp(port)), "/", &[])
    }
}

/// Bytes that differ by position.
pub(crate) fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}
