//! How fast, seen by a simple client. It is no benchmark: client and server share the machine as
//! the scheduler likes, and nothing is repeated. `cargo bench-all` measures.

use crate::client::Client;
use crate::server::Server;
use crate::{Result, frame};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const MESSAGE: &[u8] = b"twenty bytes of text";
const CONNECTIONS: usize = 64;
const IN_FLIGHT: usize = 64;
const TIMED: Duration = Duration::from_millis(1500);

/// Median and 99th percentile of a message's way there and back, in microseconds.
pub(crate) fn round_trips(server: SocketAddr) -> Result<[f64; 2]> {
    let mut client = Client::connect(server)?;
    let mut taken = Vec::new();
    let end = Instant::now() + TIMED;
    while Instant::now() < end {
        let sent = Instant::now();
        client.send(frame::TEXT, MESSAGE)?;
        client.expect(1, frame::TEXT, MESSAGE)?;
        taken.push(sent.elapsed());
    }
    taken.sort_unstable();
    let at = |share: usize| {
        let place = taken.get(taken.len() * share / 100).copied().unwrap_or_default();
        place.as_secs_f64() * 1e6
    };
    Ok([at(50), at(99)])
}

/// What many connections got through.
pub(crate) struct Crowd {
    pub(crate) messages_per_second: f64,
    pub(crate) cpu_us_per_message: f64,
}

/// All connections send all they may have in flight, then all take what came back, again and again.
pub(crate) fn crowd(server: &Server) -> Result<Crowd> {
    let connect = |_| Client::connect(server.address);
    let mut clients = (0..CONNECTIONS).map(connect).collect::<Result<Vec<_>>>()?;
    let mut wire = Vec::new();
    for number in 0..IN_FLIGHT as u32 {
        let key = number.wrapping_mul(0x9e37_79b9).to_be_bytes();
        frame::append(&mut wire, frame::TEXT, MESSAGE, key);
    }
    let (start, cpu) = (Instant::now(), server.cpu()?);
    let mut messages = 0;
    while start.elapsed() < TIMED {
        for client in &mut clients {
            client.send_wire(&wire)?;
        }
        for client in &mut clients {
            client.expect(IN_FLIGHT, frame::TEXT, MESSAGE)?;
        }
        messages += CONNECTIONS * IN_FLIGHT;
    }
    let seconds = start.elapsed().as_secs_f64();
    let used = (server.cpu()? - cpu).as_secs_f64();
    let messages = messages as f64;
    Ok(Crowd { messages_per_second: messages / seconds, cpu_us_per_message: used * 1e6 / messages })
}
