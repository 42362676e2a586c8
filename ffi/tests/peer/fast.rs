//! The crate `fastwebsockets`, on hyper and tokio.

use super::socket::{BINARY, CLOSE, CONTINUATION, PING, PONG, Socket, TEXT};
use super::{Mode, Target, tls};
use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, handshake};
use http_body_util::Empty;
use hyper::Request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A connection with a runtime of its own, so that it can be driven from ordinary code.
struct Fast {
    runtime: Runtime,
    socket: FragmentCollector<TokioIo<Upgraded>>,
}

const PATIENCE: Duration = Duration::from_secs(60);

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects as a client.
pub(crate) fn connect(target: &Target) -> Box<dyn Socket> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let socket = runtime.block_on(async {
        let stream = TcpStream::connect(("127.0.0.1", target.port)).await.unwrap();
        let stream: Box<dyn Stream> = match target.roots() {
            Some(roots) => {
                let connector = TlsConnector::from(tls::client_config(roots));
                Box::new(connector.connect(tls::name(), stream).await.unwrap())
            }
            None => Box::new(stream),
        };
        let request = Request::builder()
            .uri("/")
            .header("Host", format!("127.0.0.1:{}", target.port))
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Key", handshake::generate_key())
            .header("Sec-WebSocket-Version", "13")
            .body(Empty::<Bytes>::new())
            .unwrap();
        handshake::client(&TokioExecutor::new(), request, stream).await.unwrap().0
    });
    Box::new(Fast { runtime, socket: FragmentCollector::new(socket) })
}

/// Takes a connection as a server.
pub(crate) fn accept(stream: std::net::TcpStream, mode: Mode) -> Box<dyn Socket> {
    stream.set_nonblocking(true).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let socket = runtime.block_on(async {
        let stream = TcpStream::from_std(stream).unwrap();
        let stream: Box<dyn Stream> = if mode.tls {
            let acceptor = TlsAcceptor::from(tls::server_config());
            Box::new(acceptor.accept(stream).await.unwrap())
        } else {
            Box::new(stream)
        };
        let (sender, upgraded) = tokio::sync::oneshot::channel();
        let sender = std::sync::Mutex::new(Some(sender));
        let answer = service_fn(move |mut request| {
            let (response, upgrade) = fastwebsockets::upgrade::upgrade(&mut request).unwrap();
            sender
                .lock()
                .unwrap()
                .take()
                .expect("one request")
                .send(upgrade)
                .is_ok()
                .then_some(())
                .unwrap();
            async { Ok::<_, Infallible>(response) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
        tokio::spawn(connection.with_upgrades());
        upgraded.await.unwrap().await.unwrap()
    });
    Box::new(Fast { runtime, socket: FragmentCollector::new(socket) })
}

impl Socket for Fast {
    fn send(&mut self, fin: bool, opcode: u8, payload: &[u8]) {
        let opcode = match opcode {
            CONTINUATION => OpCode::Continuation,
            TEXT => OpCode::Text,
            BINARY => OpCode::Binary,
            CLOSE => OpCode::Close,
            PING => OpCode::Ping,
            other => panic!("opcode {other}"),
        };
        let frame = Frame::new(fin, opcode, None, Payload::Owned(payload.to_vec()));
        self.runtime.block_on(self.socket.write_frame(frame)).unwrap();
    }

    fn receive(&mut self) -> (u8, Vec<u8>) {
        let read = async { tokio::time::timeout(PATIENCE, self.socket.read_frame()).await };
        let frame = self.runtime.block_on(read).expect("in time").unwrap();
        let opcode = match frame.opcode {
            OpCode::Text => TEXT,
            OpCode::Binary => BINARY,
            OpCode::Close => CLOSE,
            OpCode::Pong => PONG,
            other => panic!("{other:?}"),
        };
        (opcode, frame.payload.to_vec())
    }
}
