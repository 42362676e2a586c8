//! `async`/`await` clients on tokio-uring, against its servers.

use ringws_engine::aio::{Error, Message, Options, WebSocket};
use ringws_engine::proto::handshake::Refusal;
use ringws_engine::proto::{Ask, CloseCode, Url};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_uring::net::{TcpListener, TcpStream};

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

#[test]
fn messages_go_there_and_back() {
    tokio_uring::start(async {
        let (listener, at) = listen();
        let server = tokio_uring::spawn(async move {
            for _ in 0..2 {
                let (stream, _) = listener.accept().await.unwrap();
                let mut socket = WebSocket::accept(stream, &Options::default()).await.unwrap();
                while let Some(message) = socket.recv().await.unwrap() {
                    socket.send(message).await.unwrap();
                }
            }
        });
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("ws://{host}:{}/", at.port());
            let mut socket = WebSocket::connect(&url, &Options::default()).await.unwrap();
            for size in [0, 20, 70_000, 900_000] {
                let payload = vec![size as u8; size];
                socket.send(Message::binary(payload.clone())).await.unwrap();
                let echoed = socket.recv().await.unwrap().expect("an echo");
                assert!(echoed.payload()[..] == payload);
            }
            let closed = socket.close(CloseCode(1000), "").await.unwrap();
            assert_eq!(closed.code, CloseCode(1000));
        }
        server.await.unwrap();
    });
}

#[test]
fn refusals_and_what_is_no_server() {
    tokio_uring::start(async {
        let (listener, at) = listen();
        let server = tokio_uring::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let options = Options::default();
            let refused = WebSocket::accept_with(stream, &options, |request, _| {
                assert_eq!(request.header("Cookie"), Some(&b"a=b"[..]));
                Err(Refusal::new(418))
            });
            assert!(matches!(refused.await, Err(Error::Refused(418))));
        });
        let url = format!("ws://{at}/");
        let mut ask = Ask::new(&Url::parse(&url).unwrap());
        ask.add_header("Cookie", b"a=b").unwrap();
        let stream = TcpStream::connect(at).await.unwrap();
        let refused = WebSocket::connect_over(stream, Arc::new(ask), &Options::default()).await;
        assert!(matches!(refused, Err(Error::Refused(418))), "{refused:?}");
        server.await.unwrap();
        // The listener has gone with its task.
        let refused = WebSocket::connect(&url, &Options::default()).await;
        assert!(matches!(refused, Err(Error::Io(_))), "{refused:?}");
        for url in ["http://a/", "ws://u@a/"] {
            let refused = WebSocket::connect(url, &Options::default()).await;
            assert!(matches!(refused, Err(Error::Url(_))), "{refused:?}");
        }
    });
}
