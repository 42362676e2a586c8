//! Echo on tokio-tungstenite: messages are fed while more are there, then flushed once. The write
//! buffer is the default of 128 KiB. The read buffer is smaller: it is filled with zeros before
//! each read, so that the default costs small messages twice what 32 KiB costs them. With `each`,
//! every message is flushed, as in its example `autobahn-server.rs`.

use futures_util::{FutureExt, SinkExt, StreamExt};
use ringws_bench_peers::{Connection, MESSAGE_MAX, flush_each, serve};
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

fn main() -> std::io::Result<()> {
    serve(|stream| async {
        // A connection that fails ends; the load generator notices.
        let _ = echo(stream).await;
    })
}

async fn echo(stream: Connection) -> Result<(), Error> {
    let config = WebSocketConfig::default()
        .read_buffer_size(32 * 1024)
        .write_buffer_size(128 * 1024)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let mut ws = accept_async_with_config(stream, Some(config)).await?;
    let each = flush_each();
    while let Some(first) = ws.next().await {
        let mut next = Some(Some(first));
        while let Some(message) = next {
            let Some(message) = message else { return Ok(()) };
            let message = message?;
            if message.is_text() || message.is_binary() {
                ws.feed(message).await?;
            }
            next = if each { None } else { ws.next().now_or_never() };
        }
        ws.flush().await?;
    }
    Ok(())
}
