//! Echo on sockudo-ws: `feed`, and the read of the next batch sends what was fed, the loop that its
//! README gives for echoes; with `each`, `send`, the loop of its example `simple_echo.rs`. Without
//! heartbeats, which are timers that no other peer has.

use futures_util::{SinkExt, StreamExt};
use ringws_bench_peers::{MESSAGE_MAX, flush_each, serve};
use sockudo_ws::protocol::Role;
use sockudo_ws::{Config, Message, Result, WebSocketStream, handshake};
use tokio::net::TcpStream;

fn main() -> std::io::Result<()> {
    serve(|stream| async {
        // A connection that fails ends; the load generator notices.
        let _ = echo(stream).await;
    })
}

async fn echo(mut stream: TcpStream) -> Result<()> {
    let config = Config {
        max_message_size: MESSAGE_MAX,
        max_frame_size: MESSAGE_MAX,
        idle_timeout: 0,
        auto_ping: false,
        ..Config::default()
    };
    let upgrade = handshake::server_handshake(&mut stream).await?;
    let leftover = upgrade.leftover;
    let mut ws = WebSocketStream::from_raw_with_leftover(stream, Role::Server, config, leftover);
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
