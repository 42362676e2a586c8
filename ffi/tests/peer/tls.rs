//! TLS for the peers that leave it to others: rustls on blocking streams and on tokio's.

use super::certificate::Certificates;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

/// What a client trusts: these alone.
pub(crate) fn client_config(roots: &Path) -> Arc<ClientConfig> {
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(roots).unwrap() {
        store.add(root.unwrap()).unwrap();
    }
    Arc::new(ClientConfig::builder().with_root_certificates(store).with_no_client_auth())
}

/// Whom the client expects.
pub(crate) fn name() -> ServerName<'static> {
    ServerName::try_from("127.0.0.1").unwrap()
}

/// The client's end on a blocking stream.
pub(crate) fn client(stream: TcpStream, roots: &Path) -> StreamOwned<ClientConnection, TcpStream> {
    let connection = ClientConnection::new(client_config(roots), name()).unwrap();
    StreamOwned::new(connection, stream)
}

/// What a server shows.
pub(crate) fn server_config() -> Arc<ServerConfig> {
    let Certificates { chain, key, .. } = Certificates::get();
    let chain = CertificateDer::pem_file_iter(chain).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    Arc::new(config.with_single_cert(chain, key).unwrap())
}

/// The server's end on a blocking stream.
pub(crate) fn server(stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    StreamOwned::new(ServerConnection::new(server_config()).unwrap(), stream)
}
