//! What the load generator has no loop for: guests that come and go, readers that are slow, Pings,
//! compressed messages now and then. Each says what went wrong, and how often it went right.

use crate::error::{Error, Result};
use crate::frame::{self, BINARY, CLOSE, PING, PONG};
use crate::handshake;
use crate::load::idle::Idle;
use crate::random::Random;
use crate::scenario::{Deflate, Kind, Scenario};
use rustix::net::sockopt::set_socket_linger;
use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two guests, two Pings, and two rounds of compressed messages.
const GUEST_EVERY: Duration = Duration::from_millis(20);
const PING_EVERY: Duration = Duration::from_millis(10);
const COMPRESSED_EVERY: Duration = Duration::from_millis(20);
/// What a slow reader sends, and how fast it reads: a piece at a time.
const SLOW_SIZE: usize = 32 << 10;
const SLOW_PIECE: usize = 16 << 10;
const SLOW_EVERY: Duration = Duration::from_millis(20);
const MASK: [u8; 4] = [0x21, 0x43, 0x65, 0x87];

/// Runs until it is over, and counts.
pub(super) type Guest = fn(SocketAddr, &AtomicBool) -> Result<u64>;

/// A client that blocks.
struct Caller {
    stream: TcpStream,
    came: Vec<u8>,
}

impl Caller {
    fn open(server: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(server).map_err(Error::io("connecting a guest"))?;
        let set = stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
        set.map_err(Error::io("setting a guest's options"))?;
        let asked = stream.write_all(&handshake::request(server, "/"));
        asked.map_err(Error::io("sending a guest's request"))?;
        handshake::read_response(&mut stream)?;
        Ok(Self { stream, came: Vec::new() })
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        let mut wire = Vec::with_capacity(payload.len() + 14);
        frame::append(&mut wire, opcode, payload, Some(MASK));
        self.stream.write_all(&wire).map_err(Error::io("sending as a guest"))
    }

    /// The next frame, read in pieces; `None` at the end.
    fn receive(
        &mut self,
        room: &mut [u8],
        mut pace: impl FnMut(),
    ) -> Result<Option<(u8, Vec<u8>)>> {
        loop {
            if let Some(header) = frame::parse(&self.came)?
                && let Some(payload) = self.came.get(header.size..header.size + header.len)
            {
                let frame = (header.opcode, payload.to_vec());
                self.came.drain(..header.size + header.len);
                return Ok(Some(frame));
            }
            pace();
            let read = handshake::read(&mut self.stream, room);
            match read.map_err(Error::io("hearing as a guest"))? {
                0 if self.came.is_empty() => return Ok(None),
                0 => return Err(Error::Protocol("the end in the middle of a frame".into())),
                count => self.came.extend_from_slice(room.get(..count).unwrap_or_default()),
            }
        }
    }

    fn hears(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        match self.receive(&mut [0; 4096], || ())? {
            Some((came, bytes)) if came == opcode && bytes == payload => Ok(()),
            other => Err(Error::Protocol(format!("not what was to come: {other:?}"))),
        }
    }
}

fn over(over: &AtomicBool) -> bool {
    over.load(Ordering::Relaxed)
}

/// Waits for the next moment of a schedule.
fn pace(begun: Instant, every: Duration, done: u64) {
    let due = every * u32::try_from(done).unwrap_or(u32::MAX);
    std::thread::sleep(due.saturating_sub(begun.elapsed()));
}

/// One comes, is echoed and goes; every second one without a word.
pub(super) fn visitors(server: SocketAddr, end: &AtomicBool) -> Result<u64> {
    let (begun, mut random, mut done) = (Instant::now(), Random(11), 0);
    while !over(end) {
        pace(begun, GUEST_EVERY, done);
        let payload = random.bytes(100 + random.clone().below(2_000) as usize);
        let mut guest = Caller::open(server)?;
        guest.send(BINARY, &payload)?;
        guest.hears(BINARY, &payload)?;
        if done % 2 == 0 {
            guest.send(CLOSE, &1000u16.to_be_bytes())?;
            guest.hears(CLOSE, &1000u16.to_be_bytes())?;
            if let Some(more) = guest.receive(&mut [0; 64], || ())? {
                return Err(Error::Protocol(format!("behind the Close: {more:?}")));
            }
        } else {
            // A reset.
            let now = set_socket_linger(&guest.stream, Some(Duration::ZERO));
            now.map_err(Error::io("SO_LINGER"))?;
        }
        done += 1;
    }
    Ok(done)
}

/// Pings with a number each.
pub(super) fn pings(server: SocketAddr, end: &AtomicBool) -> Result<u64> {
    let (begun, mut done, mut caller) = (Instant::now(), 0u64, Caller::open(server)?);
    while !over(end) {
        pace(begun, PING_EVERY, done);
        caller.send(PING, &done.to_be_bytes())?;
        caller.hears(PONG, &done.to_be_bytes())?;
        done += 1;
    }
    Ok(done)
}

/// Sends without a pause, and reads at its leisure: the server has to hold it back. In the end
/// every message has come back, numbered and with all its bytes.
pub(super) fn slow_reader(server: SocketAddr, end: &AtomicBool) -> Result<u64> {
    let mut reader = Caller::open(server)?;
    let stream = reader.stream.try_clone().map_err(Error::io("dup"))?;
    let mut writer = Caller { stream, came: Vec::new() };
    std::thread::scope(|scope| {
        let sent = scope.spawn(move || -> Result<u64> {
            let mut sent = 0;
            while !over(end) {
                writer.send(BINARY, &numbered(sent))?;
                sent += 1;
            }
            writer.stream.shutdown(Shutdown::Write).map_err(Error::io("shutdown"))?;
            Ok(sent)
        });
        let (mut came, mut room) = (0, vec![0; SLOW_PIECE]);
        let leisure = || {
            if !over(end) {
                std::thread::sleep(SLOW_EVERY);
            }
        };
        while let Some((opcode, payload)) = reader.receive(&mut room, leisure)? {
            if opcode == BINARY {
                if payload != numbered(came) {
                    return Err(Error::Protocol(format!("echo {came} is not what was sent")));
                }
                came += 1;
            }
        }
        let sent = sent.join().unwrap_or_else(|_| Err(Error::Server("panicked".into())))?;
        if sent != came {
            return Err(Error::Protocol(format!("{came} of {sent} came back to a slow reader")));
        }
        Ok(came)
    })
}

fn numbered(number: u64) -> Vec<u8> {
    Random(number).bytes(SLOW_SIZE)
}

/// Compressed messages, each inflated and compared.
pub(super) fn compressed(server: SocketAddr, end: &AtomicBool) -> Result<u64> {
    let scenario =
        Scenario { deflate: Deflate::Shared, ..Scenario::plain(4, 2_048, 1, Kind::Json) };
    let (begun, mut done, mut idle) = (Instant::now(), 0, Idle::open(server, &scenario)?);
    while !over(end) {
        pace(begun, COMPRESSED_EVERY, done);
        idle.exchange()?;
        done += 1;
    }
    Ok(done * scenario.connections as u64)
}
