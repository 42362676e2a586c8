//! Echo on sockudo-ws: `feed`, and the read of the next batch sends what was fed, the loop that its
//! README gives for echoes; with `each`, `send`, the loop of its example `simple_echo.rs`. Without
//! heartbeats, which are timers that no other peer has. With compression, the same loop runs on its
//! stream for that.

use bytes::{Buf, BytesMut};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use ringws_bench_peers::{Connection, MESSAGE_MAX, deflate, flush_each, level, serve};
use sockudo_ws::deflate::negotiate_server_deflate;
use sockudo_ws::handshake::{self, build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::Role;
use sockudo_ws::{
    CompressedWebSocketStream, Compression, Config, Error, Message, Result, WebSocketStream,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() -> std::io::Result<()> {
    serve(|stream| async {
        // A connection that fails ends; the load generator notices.
        let _ = match deflate() {
            None => plain(stream).await,
            Some(how) => compressed(stream, how == "shared").await,
        };
    })
}

fn config() -> Config {
    Config {
        max_message_size: MESSAGE_MAX,
        max_frame_size: MESSAGE_MAX,
        idle_timeout: 0,
        auto_ping: false,
        ..Config::default()
    }
}

async fn plain(mut stream: Connection) -> Result<()> {
    let upgrade = handshake::server_handshake(&mut stream).await?;
    let leftover = upgrade.leftover;
    let ws = WebSocketStream::from_raw_with_leftover(stream, Role::Server, config(), leftover);
    echo(ws).await
}

/// Its handshake for any stream does not negotiate: this is made of its parts.
async fn compressed(mut stream: Connection, shared: bool) -> Result<()> {
    let mode = if shared { Compression::Shared } else { Compression::Dedicated };
    let Some(mut policy) = mode.to_deflate_config() else { return Ok(()) };
    policy.compression_level = level().unwrap_or(policy.compression_level);
    let mut input = BytesMut::new();
    let (size, accept, taken) = loop {
        if stream.read_buf(&mut input).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        if let Some((request, size)) = parse_request(&input)? {
            let offers = request.extensions.unwrap_or_default();
            let taken = negotiate_server_deflate(offers, &policy);
            break (size, generate_accept_key(request.key), taken);
        }
    };
    let Some(taken) = taken else { return Ok(()) };
    let answer = build_response(&accept, None, Some(&taken.to_response_header()));
    stream.write_all(&answer).await?;
    input.advance(size);
    let ws = CompressedWebSocketStream::server(stream, config(), taken.config);
    echo(ws).await
}

async fn echo<S>(mut ws: S) -> Result<()>
where
    S: Stream<Item = Result<Message>> + Sink<Message, Error = Error> + Unpin,
{
    let each = flush_each();
    while let Some(message) = ws.next().await {
        match message? {
            message @ (Message::Text(_) | Message::Binary(_)) if each => ws.send(message).await?,
            message @ (Message::Text(_) | Message::Binary(_)) => ws.feed(message).await?,
            Message::Close(_) => break,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    Ok(())
}

