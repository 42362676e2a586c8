//! A WebSocket client over rustls's own I/O.

use super::certs::{Authority, Certified};
use super::service::PATIENCE;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

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
        let stream = tcp(port);
        let name = ServerName::try_from(self.name.to_owned()).unwrap();
        let conn = ClientConnection::new(config, name).unwrap();
        Peer::upgrade(StreamOwned::new(conn, stream))
    }
}

pub(crate) fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The request of a WebSocket client.
pub(crate) const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A connection that is open.
pub(crate) struct Peer<S = Stream>(pub(crate) S);

impl<S: Read + Write> Peer<S> {
    pub(crate) fn upgrade(mut stream: S) -> io::Result<Self> {
        stream.write_all(REQUEST.as_bytes())?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Ok(Self(stream))
    }

    pub(crate) fn send(&mut self, first: u8, payload: &[u8]) -> io::Result<()> {
        self.0.write_all(&frame(first, payload))?;
        self.0.flush()
    }

    pub(crate) fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut header = [0; 2];
        self.0.read_exact(&mut header)?;
        let len = match header[1] {
            126 => {
                let mut len = [0; 2];
                self.0.read_exact(&mut len)?;
                u64::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                self.0.read_exact(&mut len)?;
                u64::from_be_bytes(len)
            }
            len => u64::from(len),
        };
        let mut payload = vec![0; len as usize];
        self.0.read_exact(&mut payload)?;
        Ok((header[0], payload))
    }

    pub(crate) fn echoes(&mut self, first: u8, payload: &[u8]) {
        self.send(first, payload).unwrap();
        let (got, echoed) = self.receive().unwrap();
        assert_eq!(got, first);
        assert!(echoed == payload, "{} bytes came back as {}", payload.len(), echoed.len());
    }

    /// The closing handshake of WebSocket, begun here; then the end of the stream.
    pub(crate) fn close(&mut self) {
        self.send(0x88, &1000u16.to_be_bytes()).unwrap();
        assert_eq!(self.receive().unwrap(), (0x88, 1000u16.to_be_bytes().to_vec()));
        // rustls fails here if no close_notify came.
        assert_eq!(self.0.read(&mut [0]).unwrap(), 0);
    }
}

/// A masked frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [7, 77, 177, 211];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ KEY[i % 4]));
    frame
}

/// Bytes that differ by position.
pub(crate) fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}
