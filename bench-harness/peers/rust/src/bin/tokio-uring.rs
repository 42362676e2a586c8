//! Echo on tokio-uring 0.5: what plain io_uring under a task per connection costs, with a receive
//! and a send submitted in turn. The codec is that of sockudo-ws, which does no I/O of its own: all
//! messages of one receive are encoded into one buffer and leave in one send.

use bytes::BytesMut;
use ringws_bench_peers::{MESSAGE_MAX, address, announce};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::protocol::{Message, Protocol, Role};
use std::io;
use tokio_uring::net::{TcpListener, TcpStream};

/// Bytes that a receive may bring; more while a longer message is coming in.
const RECEIVE: usize = 64 * 1024;
/// Entries of the submission queue: every connection of a busy turn finds one.
const ENTRIES: u32 = 4096;

fn main() -> io::Result<()> {
    let at = address()?;
    tokio_uring::builder().entries(ENTRIES).start(async {
        let listener = TcpListener::bind(at)?;
        announce(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio_uring::spawn(tokio::task::unconstrained(async move {
                // A connection that fails ends; the load generator notices.
                let _ = echo(stream).await;
            }));
        }
    })
}

/// Receives behind what `input` holds; whether anything came.
async fn receive(stream: &TcpStream, input: BytesMut) -> io::Result<Option<BytesMut>> {
    use tokio_uring::buf::BoundedBuf;
    let mut input = input;
    let held = input.len();
    // Twice what is held: a large message costs as many receives as its logarithm.
    input.reserve(RECEIVE.max(held));
    let (received, slice) = stream.read(input.slice(held..)).await;
    Ok((received? > 0).then(|| slice.into_inner()))
}

async fn upgrade(stream: &TcpStream) -> io::Result<Option<BytesMut>> {
    let mut input = BytesMut::new();
    loop {
        let Some(more) = receive(stream, input).await? else { return Ok(None) };
        input = more;
        let Some((request, size)) = parse_request(&input).map_err(io::Error::other)? else {
            continue;
        };
        let response = build_response(&generate_accept_key(request.key), None, None);
        stream.write_all(response).await.0?;
        let _ = input.split_to(size);
        return Ok(Some(input));
    }
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let Some(mut input) = upgrade(&stream).await? else { return Ok(()) };
    let mut protocol = Protocol::new(Role::Server, MESSAGE_MAX, MESSAGE_MAX);
    let mut messages = Vec::new();
    let mut output = BytesMut::with_capacity(RECEIVE);
    loop {
        protocol.process_into(&mut input, &mut messages).map_err(io::Error::other)?;
        let mut closed = false;
        for message in messages.drain(..) {
            match message {
                Message::Text(_) | Message::Binary(_) => {
                    protocol.encode_message(&message, &mut output).map_err(io::Error::other)?;
                }
                Message::Ping(payload) => protocol.encode_pong(&payload, &mut output),
                Message::Close(_) => {
                    protocol.encode_close_response(&mut output);
                    closed = true;
                }
                Message::Pong(_) => {}
            }
        }
        if !output.is_empty() {
            let (sent, buffer) = stream.write_all(output).await;
            sent?;
            output = buffer;
            output.clear();
        }
        if closed {
            return Ok(());
        }
        let Some(more) = receive(&stream, input).await? else { return Ok(()) };
        input = more;
    }
}
