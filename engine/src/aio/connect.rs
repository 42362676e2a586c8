//! A client's connections.

use super::drive::Drive;
use super::{Error, Options, WebSocket};
use crate::proto::handshake::Refusal;
use crate::proto::{Ask, Url};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_uring::net::TcpStream;

impl WebSocket {
    /// Connects to the server of a `ws://` URL. A name is looked up on another thread. The
    /// handshake timeout holds for each address, and for the answer.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Invalid`] for `wss://`, [`Error::Io`] when no address can be
    /// reached, else as [`WebSocket::connect_over`].
    pub async fn connect(url: &str, options: &Options) -> Result<Self, Error> {
        let url = Url::parse(url).map_err(Error::Url)?;
        if url.is_secure() {
            return Err(Error::Invalid("wss:// is not spoken here"));
        }
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses(&url).await? {
            let patience = Duration::from_millis(options.limits.handshake_timeout_ms.into());
            match timeout(patience, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    return Self::connect_over(stream, Arc::new(Ask::new(&url)), options).await;
                }
                Ok(Err(error)) => failure = error,
                Err(_) => failure = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failure.into())
    }

    /// Asks the server on the other side of `stream` to upgrade: `ask` may offer subprotocols and
    /// bring headers.
    ///
    /// # Errors
    /// [`Error::Refused`] with the status of a server that refuses, [`Error::Failed`] when its
    /// answer breaks the protocol or does not come in time, [`Error::Io`], and [`Error::Invalid`]
    /// for limits out of range.
    pub async fn connect_over(
        stream: TcpStream,
        ask: Arc<Ask>,
        options: &Options,
    ) -> Result<Self, Error> {
        options.limits.check().map_err(Error::Invalid)?;
        let mut drive = Drive::client(stream, options.limits, &ask);
        // A server asks for nothing.
        poll_fn(|cx| drive.poll_upgrade(cx, &mut |_, _| Err(Refusal::new(500)))).await?;
        Ok(Self { drive: Rc::new(RefCell::new(drive)) })
    }
}

async fn addresses(url: &Url) -> Result<Vec<SocketAddr>, Error> {
    let port = url.port();
    match url.host().to_query() {
        Err(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        Ok(name) => {
            let lookup = move || (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
            let found = tokio::task::spawn_blocking(lookup).await;
            Ok(found.map_err(io::Error::other)??)
        }
    }
}
