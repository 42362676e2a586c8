//! Echo on tokio-websockets, without limits and without splitting messages into frames, as in its
//! own example. It sends what is queued before each read of a message, so those that are there
//! are taken first, then fed and flushed together. With `each`, one is taken at a time, as in its
//! examples.

use futures_util::{FutureExt, SinkExt, StreamExt};
use ringws_bench_peers::{Connection, flush_each, serve};
use tokio_websockets::{Config, Error, Limits, Message, ServerBuilder};

/// Messages that are taken before they are answered.
const BATCH: usize = 256;
/// Queued bytes above which feeding flushes.
const FLUSH_THRESHOLD: usize = 64 * 1024;

fn main() -> std::io::Result<()> {
    serve(|stream| async {
        // A connection that fails ends; the load generator notices.
        let _ = echo(stream).await;
    })
}

async fn echo(stream: Connection) -> Result<(), Error> {
    let config = Config::default().frame_size(usize::MAX).flush_threshold(FLUSH_THRESHOLD);
    let server = ServerBuilder::new().config(config).limits(Limits::unlimited());
    let (_, mut ws) = server.accept(stream).await?;
    let mut batch: Vec<Message> = Vec::new();
    let most = if flush_each() { 1 } else { BATCH };
    while let Some(first) = ws.next().await {
        let mut next = Some(Some(first));
        while let Some(message) = next {
            let Some(message) = message else { return Ok(()) };
            let message = message?;
            if message.is_text() || message.is_binary() {
                batch.push(message);
            }
            next = if batch.len() < most { ws.next().now_or_never() } else { None };
        }
        for message in batch.drain(..) {
            ws.feed(message).await?;
        }
        ws.flush().await?;
    }
    Ok(())
}
