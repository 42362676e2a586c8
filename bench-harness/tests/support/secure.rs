//! A WebSocket echo with permessage-deflate and TLS, as much of it as a test needs.

use super::frames::head;
use ringws_bench::frame;
use ringws_bench::inflate::{Inflater, compress};
use ringws_bench::tls::Certificate;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// What a server does to an answer before it frames it; the second is whether it is compressed.
pub(crate) type Change = fn(&mut Vec<u8>, &mut bool);

/// Serves connections, each on a thread, encrypted or not. With an extension offered it is taken,
/// and answers are compressed.
pub(crate) fn serve(encrypted: bool, change: Change) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let config = encrypted.then(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = config.clone();
            std::thread::spawn(move || connection(stream, config, change));
        }
    });
    address
}

fn config() -> Arc<ServerConfig> {
    let name = format!("ringws-secure-{}-{:?}", std::process::id(), std::thread::current().id());
    let directory = std::env::temp_dir().join(name);
    let made = Certificate::write(&directory).expect("a certificate");
    let certificate = CertificateDer::from_pem_file(&made.certificate).expect("PEM");
    let key = PrivateKeyDer::from_pem_file(&made.key).expect("PEM");
    std::fs::remove_dir_all(&directory).expect("it is there");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.expect("a pair"))
}

fn connection(stream: TcpStream, config: Option<Arc<ServerConfig>>, change: Change) {
    match config {
        None => echo(stream, change),
        Some(config) => {
            let session = ServerConnection::new(config).expect("a session");
            echo(StreamOwned::new(session, stream), change);
        }
    }
}

fn echo(mut stream: impl Read + Write, change: Change) {
    let Some(request) = head(&mut stream) else { return };
    let offer = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    let taken = offer.map(|offer| format!("Sec-WebSocket-Extensions: {offer}\r\n"));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{}\r\n",
        taken.unwrap_or_default()
    );
    if stream.write_all(answer.as_bytes()).is_err() {
        return;
    }
    let (mut unread, mut piece) = (Vec::new(), [0; 20_000]);
    let mut inflater = Inflater::default();
    while let Ok(count @ 1..) = stream.read(&mut piece) {
        unread.extend_from_slice(&piece[..count]);
        let mut out = Vec::new();
        while let Some(header) = frame::parse_extended(&unread).expect("legal frames") {
            let size = header.size + header.len;
            if unread.len() < size {
                break;
            }
            let frame: Vec<u8> = unread.drain(..size).collect();
            let key = header.mask.expect("clients mask");
            let unmask = frame[header.size..].iter().zip(key.iter().cycle());
            let mut payload: Vec<u8> = unmask.map(|(byte, key)| byte ^ key).collect();
            if header.rsv1 {
                payload = inflater.message(&payload, 1 << 20, true).expect("DEFLATE").to_vec();
            }
            let mut compressed = offer.is_some();
            change(&mut payload, &mut compressed);
            let rsv1 = if compressed { frame::RSV1 } else { 0 };
            let payload = if compressed { compress(&payload).expect("room") } else { payload };
            frame::append(&mut out, header.opcode | rsv1, &payload, None);
        }
        if stream.write_all(&out).is_err() {
            return;
        }
    }
}
