//! `async`/`await` on tokio-uring, against clients of blocking sockets on threads.

use ringws_engine::aio::{Error, Message, Options, WebSocket};
use ringws_engine::conn::{Failure, Limits, SendError};
use ringws_engine::proto::{CloseCode, Opcode, Violation};
use ringws_kit::{
    BINARY, CLOSE, CONTINUATION, Client, FIN, Frame, PING, PONG, TEXT, close, frame, payload,
    read_to_end, tcp,
};
use std::future::{Future, poll_fn};
use std::io::Write;
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tokio_uring::net::TcpListener;

/// Serves one connection on a runtime of its own, with a client on another thread.
fn with_client<T>(
    client: impl FnOnce(u16) + Send + 'static,
    serve: impl AsyncFnOnce(tokio_uring::net::TcpStream) -> T,
) -> T {
    tokio_uring::start(async {
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = thread::spawn(move || client(port));
        let (stream, _) = listener.accept().await.unwrap();
        let result = serve(stream).await;
        client.join().unwrap();
        result
    })
}

async fn echo(socket: &mut WebSocket) -> Result<(), Error> {
    while let Some(message) = socket.recv().await? {
        socket.send(message).await?;
    }
    Ok(())
}

#[test]
fn messages_come_back_and_the_close_is_answered() {
    let client = |port| {
        let mut client = Client::connect(port);
        for (first, size) in [(TEXT, 0), (BINARY, 20), (TEXT, 70_000), (BINARY, 900_000)] {
            let bytes = payload(size, size);
            let writes = client.write_beside(frame(first, &bytes));
            client.hears(first, bytes);
            writes.join().unwrap();
        }
        // Fragments, with a Ping between them.
        let bytes = [
            frame(TEXT & !FIN, "one "),
            frame(PING, "hello"),
            frame(FIN | CONTINUATION, "message"),
        ]
        .concat();
        client.write(&bytes);
        client.hears(PONG, b"hello");
        client.hears(TEXT, b"one message");
        client.send(CLOSE, close(1000, "bye"));
        client.hears(CLOSE, close(1000, ""));
        client.ends();
    };
    with_client(client, async |stream| {
        let mut socket = WebSocket::accept(stream, &Options::default()).await.unwrap();
        echo(&mut socket).await.unwrap();
        let closed = socket.closed();
        assert_eq!((closed.code, closed.reason.as_str()), (CloseCode(1000), "bye"));
        assert!(socket.recv().await.unwrap().is_none(), "and again");
        let late = socket.send(Message::text("late")).await;
        assert!(matches!(late, Err(Error::Queue(SendError::Closing))), "{late:?}");
    });
}

#[test]
fn closing_waits_for_the_peer_and_drops_what_comes_before() {
    let client = |port| {
        let mut client = Client::connect(port);
        client.hears(CLOSE, close(1001, "going"));
        client.write(&[frame(TEXT, "crossed"), frame(CLOSE, close(1001, ""))].concat());
        client.ends();
    };
    with_client(client, async |stream| {
        let mut socket = WebSocket::accept(stream, &Options::default()).await.unwrap();
        let bad = socket.close(CloseCode(1006), "").await;
        assert!(matches!(bad, Err(Error::Queue(SendError::Sequence))));
        let closed = socket.close(CloseCode(1001), "going").await.unwrap();
        assert_eq!(closed.code, CloseCode(1001));
    });
}

#[test]
fn violations_refusals_and_silence_are_errors_that_stay() {
    let rude = |port| {
        let mut client = Client::connect(port);
        client.write(&Frame::new(TEXT, "x").unmasked().bytes());
        client.hears(CLOSE, close(1002, ""));
    };
    with_client(rude, async |stream| {
        let mut socket = WebSocket::accept(stream, &Options::default()).await.unwrap();
        for _ in 0..2 {
            let error = socket.recv().await.unwrap_err();
            let unmasked = Failure::Violation(Violation::Unmasked);
            assert!(matches!(error, Error::Failed(failure) if failure == unmasked), "{error:?}");
        }
    });
    let stranger = |port| {
        let mut stream = tcp(port);
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let answer = String::from_utf8(read_to_end(&mut stream)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    };
    with_client(stranger, async |stream| {
        let error = WebSocket::accept(stream, &Options::default()).await.unwrap_err();
        assert!(matches!(error, Error::Refused(426)), "{error:?}");
    });
    let silent = |port| {
        let mut client = Client::connect(port);
        let (opcode, says) = client.receive();
        assert!(opcode == PING && says.starts_with(b"rws-") && says.len() == 8, "{says:?}");
        client.ends();
    };
    with_client(silent, async |stream| {
        let limits = Limits { idle_timeout_ms: 100, ..Limits::default() };
        let options = Options { limits, ..Options::default() };
        let mut socket = WebSocket::accept(stream, &options).await.unwrap();
        let error = socket.recv().await.unwrap_err();
        assert!(matches!(error, Error::Failed(Failure::TimedOut(_))), "{error:?}");
    });
}

#[test]
fn a_socket_that_is_dropped_ends_the_connection() {
    let client = |port| {
        let mut client = Client::connect(port);
        client.ends();
    };
    with_client(client, async |stream| {
        let mut socket = WebSocket::accept(stream, &Options::default()).await.unwrap();
        assert!(once(socket.recv()).await.is_none(), "a receive is in flight");
    });
}

#[test]
fn limits_out_of_range_are_refused_before_anything_is_read() {
    let client = |port| drop(tcp(port));
    with_client(client, async |stream| {
        let limits = Limits { message_max: 0, ..Limits::default() };
        let options = Options { limits, ..Options::default() };
        let error = WebSocket::accept(stream, &options).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(text) if text.contains("message_max")));
    });
}

/// Polls once; drops what is not ready.
async fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[test]
fn futures_that_are_dropped_lose_and_repeat_nothing() {
    const MESSAGES: usize = 300;
    let client = |port| {
        let mut client = Client::connect(port);
        let mut writer = client.stream.try_clone().unwrap();
        let writes = thread::spawn(move || {
            for seed in 0..MESSAGES {
                writer.write_all(&frame(BINARY, payload(seed, 1 + seed * 331 % 9_000))).unwrap();
                if seed % 17 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        for seed in 0..MESSAGES {
            client.hears(BINARY, payload(seed, 1 + seed * 331 % 9_000));
        }
        writes.join().unwrap();
        client.send(CLOSE, b"");
        client.hears(CLOSE, "");
    };
    with_client(client, async |stream| {
        let mut socket = WebSocket::accept(stream, &Options::default()).await.unwrap();
        loop {
            let message = match once(socket.recv()).await {
                Some(message) => message.unwrap(),
                None => {
                    tokio::time::sleep(Duration::from_micros(100)).await;
                    continue;
                }
            };
            let Some(message) = message else { break };
            assert_eq!(message.opcode(), Opcode::Binary);
            socket.feed(message).await.unwrap();
            let _ = once(socket.flush()).await;
        }
    });
}

#[test]
fn halves_send_and_receive_at_the_same_time() {
    const MESSAGES: usize = 200;
    const SIZE: usize = 30_000;
    let client = |port| {
        let mut client = Client::connect(port);
        // Nothing is read before all is sent: neither half may wait for the other.
        for seed in 0..MESSAGES {
            client.send(TEXT, payload(seed, SIZE));
        }
        for seed in 0..MESSAGES {
            client.hears(BINARY, payload(seed, SIZE));
        }
        client.hears(CLOSE, close(1000, ""));
        client.send(CLOSE, close(1000, ""));
    };
    with_client(client, async |stream| {
        let options = Options {
            limits: Limits { send_queue_max: 100_000, ..Limits::default() },
            ..Options::default()
        };
        let socket = WebSocket::accept(stream, &options).await.unwrap();
        let (mut sender, mut receiver) = socket.split();
        let sending = tokio_uring::spawn(async move {
            for seed in 0..MESSAGES {
                sender.send(Message::binary(payload(seed, SIZE))).await.unwrap();
            }
            sender.close(CloseCode(1000), "").await.unwrap();
        });
        let mut received = 0;
        while let Some(message) = receiver.recv().await.unwrap() {
            assert!(message.payload()[..] == payload(received, SIZE));
            received += 1;
        }
        sending.await.unwrap();
        assert_eq!((received, receiver.closed().code), (MESSAGES, CloseCode(1000)));
    });
}
