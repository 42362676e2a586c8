//! Echo on fastwebsockets: fragments collected, vectored writes, automatic Pong and Close, as in
//! its README; the upgrade is answered before, so that no HTTP library lies between it and the
//! socket. It writes each frame at once; `Gather` joins those that answer one read, unless `each`
//! is asked for.

use fastwebsockets::{FragmentCollector, OpCode, Role, WebSocket, WebSocketError};
use ringws_bench_peers::{Gather, MESSAGE_MAX, flush_each, serve};
use tokio::io::{AsyncRead, AsyncWrite};

fn main() -> std::io::Result<()> {
    serve(|mut stream| async move {
        // What a client sends before the answer to its upgrade it sends too early (RFC 6455 §4.1).
        if sockudo_ws::handshake::server_handshake(&mut stream).await.is_ok() {
            // A connection that fails ends; the load generator notices.
            let _ = match flush_each() {
                true => echo(stream).await,
                false => echo(Gather::new(stream)).await,
            };
        }
    })
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Result<(), WebSocketError> {
    let mut ws = WebSocket::after_handshake(stream, Role::Server);
    ws.set_writev(true);
    ws.set_auto_close(true);
    ws.set_auto_pong(true);
    // Its limit excludes itself.
    ws.set_max_message_size(MESSAGE_MAX + 1);
    let mut ws = FragmentCollector::new(ws);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}
