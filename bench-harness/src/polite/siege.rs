//! What the others do: those beside whom the polite ones are served.

use crate::error::{Error, Result};
use crate::frame::{self, BINARY, RSV1};
use crate::inflate;
use crate::load::closed::{self, Plan};
use crate::load::connect;
use crate::load::control::Control;
use crate::machine;
use crate::scenario::{Deflate, Kind, Scenario};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes that one connection writes or reads before the next has its turn.
const PIECE: usize = 256 << 10;
/// How long those rest who could do nothing.
const REST: Duration = Duration::from_millis(1);
const MIB: usize = 1 << 20;

/// What they do.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    /// There are none.
    Nobody,
    /// A closed loop of so many connections, with messages of so many bytes and so deep.
    Loop(usize, usize, usize),
    /// So many send compressed messages of 1 MiB without a pause; whether they read the echoes.
    Bombs(usize, Deflate, bool),
    /// So many send messages of 1 MiB and never read.
    NeverRead(usize),
    /// So many send the first part of a message of 1 MiB, and no more.
    StopInTheMiddle(usize),
    /// So many connections are made in a second, and ended at once; whether with TLS.
    Connect(u32, bool),
}

/// Those of one row, connected.
pub(super) struct Siege {
    manner: Manner,
    plain: SocketAddr,
    secure: SocketAddr,
    sockets: Vec<TcpStream>,
}

impl Siege {
    /// Connects those that are there from the beginning.
    pub(super) fn open(manner: Manner, plain: SocketAddr, secure: SocketAddr) -> Result<Self> {
        let (count, deflate) = match manner {
            Manner::Bombs(count, deflate, _) => (count, deflate),
            Manner::NeverRead(count) | Manner::StopInTheMiddle(count) => (count, Deflate::Off),
            _ => (0, Deflate::Off),
        };
        let scenario = Scenario { deflate, ..Scenario::plain(count, MIB, 1, Kind::Binary) };
        let sockets = match count {
            0 => Vec::new(),
            _ => connect::open(plain, count, &scenario)?.sockets,
        };
        for socket in &sockets {
            socket.set_nonblocking(true).map_err(Error::io("O_NONBLOCK"))?;
        }
        Ok(Self { manner, plain, secure, sockets })
    }

    /// Goes on for so long, behind all others on this CPU. What happened, in a few words.
    pub(super) fn go_on(self, time: Duration) -> Result<String> {
        // The polite ones are measured: they must not wait for this thread.
        machine::run_behind_all_others()?;
        let end = Instant::now() + time;
        match self.manner {
            Manner::Nobody => Ok(String::new()),
            Manner::Loop(connections, size, depth) => {
                let scenario = Scenario::plain(connections, size, depth, Kind::Binary);
                let warmup = Duration::from_millis(100);
                let plan = Plan { server: self.plain, scenario, warmup, timed: time, pid: None };
                let report = closed::run_with(&plan, &Control::default())?;
                Ok(format!("{:.0} echoes a second", report.messages_per_second))
            }
            Manner::Connect(rate, tls) => self.connect(rate, tls, end),
            Manner::Bombs(_, _, reads) => {
                let bomb = inflate::compress(&vec![b'x'; MIB])
                    .map_err(|error| Error::Usage(error.into()))?;
                Ok(self.write(&framed(RSV1 | BINARY, &bomb), usize::MAX, reads, end))
            }
            Manner::NeverRead(_) => {
                Ok(self.write(&framed(BINARY, &vec![b'x'; MIB]), usize::MAX, false, end))
            }
            Manner::StopInTheMiddle(_) => {
                Ok(self.write(&framed(BINARY, &vec![b'x'; MIB]), MIB * 5 / 8, false, end))
            }
        }
    }

    /// Each writes `unit` again and again, at most `most` bytes.
    fn write(self, unit: &[u8], most: usize, reads: bool, end: Instant) -> String {
        let mut all: Vec<_> = self.sockets.into_iter().map(|socket| Some((socket, 0))).collect();
        let (mut written, mut room) = (0, vec![0; PIECE]);
        while Instant::now() < end {
            let mut moved = false;
            for one in &mut all {
                let Some((socket, sent)) = one else { continue };
                let from = *sent % unit.len();
                let piece = &unit[from..unit.len().min(from + PIECE.min(most - *sent))];
                let wrote = if piece.is_empty() { Ok(0) } else { socket.write(piece) };
                let read = if reads { socket.read(&mut room).map(drop) } else { Ok(()) };
                match wrote {
                    Ok(bytes) => {
                        *sent += bytes;
                        written += bytes;
                        moved |= bytes > 0;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(_) => *one = None,
                }
                moved |= read.is_ok() && reads;
            }
            if !moved {
                std::thread::sleep(REST);
            }
        }
        let closed = all.iter().filter(|one| one.is_none()).count();
        format!("{} MiB written, {closed} of {} seen closed", written / MIB, all.len())
    }

    fn connect(self, rate: u32, tls: bool, end: Instant) -> Result<String> {
        let scenario = Scenario { tls, ..Scenario::plain(1, 64, 1, Kind::Binary) };
        let server = if tls { self.secure } else { self.plain };
        let (begin, mut made) = (Instant::now(), 0);
        while Instant::now() < end {
            drop(connect::open(server, 1, &scenario)?);
            made += 1;
            let next = begin + Duration::from_secs(1) / rate * made;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(format!("{made} made"))
    }
}

fn framed(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 14);
    frame::append(&mut out, opcode, payload, Some([1, 2, 3, 4]));
    out
}
