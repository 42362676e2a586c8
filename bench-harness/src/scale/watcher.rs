//! Somebody who is in, and is served on while others come: echoes on a schedule, for as long as it
//! takes.

use crate::error::{Error, Result};
use crate::frame::{self, BINARY};
use crate::handshake;
use crate::report::Latency;
use crate::scale::crowd::now_ns;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Connections, and the time from one message of all of them to the next.
const CONNECTIONS: usize = 10;
const EVERY: Duration = Duration::from_millis(5);
/// How long the last echoes may take, and what is recorded at most.
const PATIENCE: Duration = Duration::from_secs(20);
const LATENCY_MAX_NS: u64 = 600_000_000_000;
const SIZE: usize = 64;

/// What it has seen.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Watched {
    /// Echoes that came, each whole and right.
    pub echoes: u64,
    /// Those that did not.
    pub unanswered: u64,
    /// From when a message was due to its echo.
    pub latency: Latency,
}

/// Echoes until `over` is set.
pub(super) fn watch(server: SocketAddr, over: &AtomicBool) -> Result<Watched> {
    let connect = |_| -> Result<TcpStream> {
        let mut stream = TcpStream::connect(server).map_err(Error::io("connecting the watcher"))?;
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        set.map_err(Error::io("setting the watcher's options"))?;
        let asked = stream.write_all(&handshake::request(server, "/"));
        asked.map_err(Error::io("sending the watcher's request"))?;
        handshake::read_response(&mut stream)?;
        Ok(stream)
    };
    let mut streams = (0..CONNECTIONS).map(connect).collect::<Result<Vec<_>>>()?;
    let readers = streams
        .iter()
        .map(TcpStream::try_clone)
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(Error::io("dup"))?;
    std::thread::scope(|scope| {
        let readers: Vec<_> =
            readers.into_iter().map(|stream| scope.spawn(move || read(stream))).collect();
        let sent = write(&mut streams, over);
        // The server answers what it has got, and then the end of our direction.
        for stream in &streams {
            let _ = stream.shutdown(Shutdown::Write);
        }
        let mut all = histogram()?;
        for reader in readers {
            let one = reader.join().unwrap_or_else(|_| Err(Error::Server("panicked".into())))?;
            all.add(one).map_err(|error| Error::Usage(error.to_string()))?;
        }
        let (sent, echoes) = (sent?, all.len());
        let unanswered = sent.saturating_sub(echoes);
        Ok(Watched { echoes, unanswered, latency: Latency::new(&all) })
    })
}

fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_max(LATENCY_MAX_NS, 3).map_err(|error| Error::Usage(error.to_string()))
}

fn write(streams: &mut [TcpStream], over: &AtomicBool) -> Result<u64> {
    let (begun, begun_ns, mut sent) = (Instant::now(), now_ns(), 0u64);
    while !over.load(Ordering::Relaxed) {
        for stream in &mut *streams {
            let due = EVERY * u32::try_from(sent).unwrap_or(u32::MAX);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
            let mut payload = [0x77; SIZE];
            payload[..8].copy_from_slice(&(begun_ns + due.as_nanos() as u64).to_be_bytes());
            let mut wire = Vec::with_capacity(SIZE + 14);
            frame::append(&mut wire, BINARY, &payload, Some([9, 8, 7, 6]));
            stream.write_all(&wire).map_err(Error::io("sending to be echoed"))?;
            sent += 1;
        }
    }
    Ok(sent)
}

/// Until the end, which the server answers ours with.
fn read(mut stream: TcpStream) -> Result<Histogram<u64>> {
    let (mut all, mut came, mut room) = (histogram()?, Vec::new(), [0; 4096]);
    loop {
        let count = handshake::read(&mut stream, &mut room).map_err(Error::io("hearing echoes"))?;
        if count == 0 {
            return Ok(all);
        }
        came.extend_from_slice(room.get(..count).unwrap_or_default());
        let mut at = 0;
        while let Some(header) = frame::parse(came.get(at..).unwrap_or_default())? {
            let begin = at + header.size;
            let Some(payload) = came.get(begin..begin + header.len) else { break };
            if header.opcode == BINARY {
                let due = payload.first_chunk::<8>().map(|due| u64::from_be_bytes(*due));
                let rest = payload.get(8..).unwrap_or_default();
                let whole = rest.len() == SIZE - 8 && rest.iter().all(|byte| *byte == 0x77);
                let Some(due) = due.filter(|_| whole) else {
                    return Err(Error::Protocol("an echo is not what was sent".into()));
                };
                let _ = all.record(now_ns().saturating_sub(due).clamp(1, LATENCY_MAX_NS));
            }
            at = begin + header.len;
        }
        came.drain(..at);
    }
}
