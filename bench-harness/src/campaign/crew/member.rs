//! One connection of a crew: what it has sent, what has come back, how it ended.

use super::{Account, CrewPlan, End, Pace};
use crate::campaign::message;
use crate::frame::{self, BINARY, CLOSE, PING, PONG};
use crate::handshake;
use crate::random::Random;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// What one read takes at most.
const PIECE: usize = 64 << 10;
/// What may wait in this process before no more is written for a connection.
const BACKLOG: usize = 256 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Upgrading,
    Open,
    /// Our Close is queued or sent.
    Closing,
    Ended,
}

/// One connection.
pub(super) struct Member {
    socket: Option<OwnedFd>,
    state: State,
    next_due: Instant,
    out: Vec<u8>,
    /// Bytes of all that was queued, and of what the kernel has taken.
    queued: u64,
    taken: u64,
    /// Where messages end in what is queued; those before `taken` are sent.
    ends: VecDeque<u64>,
    /// When the messages were due that have not come back.
    waiting: VecDeque<Instant>,
    /// Messages that were framed.
    framed: u32,
    input: Vec<u8>,
    close_came: Option<u16>,
    mask: Random,
    pub(super) account: Account,
}

impl Member {
    pub(super) fn connect(plan: &CrewPlan, index: usize, now: Instant) -> Self {
        let id = plan.first + index as u32;
        // Not all at once, and the same in each run.
        let part = index as f64 / plan.count.max(1) as f64;
        let mut member = Self {
            socket: None,
            state: State::Connecting,
            next_due: now + plan.pace.period().mul_f64(part),
            out: Vec::new(),
            queued: 0,
            taken: 0,
            ends: VecDeque::new(),
            waiting: VecDeque::new(),
            framed: 0,
            input: Vec::new(),
            close_came: None,
            mask: Random(plan.seed ^ u64::from(id)),
            account: Account { id, ..Account::default() },
        };
        match begin(plan.server) {
            Ok(socket) => {
                if let Some(size) = plan.receive_buffer {
                    let _ = sockopt::set_socket_recv_buffer_size(&socket, size);
                }
                member.out = handshake::request(plan.server, &format!("/{id}"));
                member.queued = member.out.len() as u64;
                member.socket = Some(socket);
            }
            Err(errno) => member.end(End::Refused(errno.to_string())),
        }
        member
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Ended
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether it waits for room to write.
    pub(super) fn wants_to_write(&self) -> bool {
        self.state == State::Connecting || !self.out.is_empty()
    }

    /// When the next message is due, if by the clock.
    pub(super) fn due(&self) -> Option<Instant> {
        self.is_open().then_some(self.next_due)
    }

    /// Queues what is due. At a rate, whatever has come back: who waits is not spared.
    pub(super) fn produce(&mut self, plan: &CrewPlan, now: Instant) {
        if self.state != State::Open {
            return;
        }
        match plan.pace {
            Pace::Rate(_) => {
                let period = plan.pace.period();
                while self.next_due <= now && self.out.len() < BACKLOG {
                    let due = self.next_due;
                    self.next_due += period;
                    self.queue(plan, due);
                }
            }
            Pace::Window(depth) => {
                while self.waiting.len() < depth && self.out.len() < BACKLOG {
                    self.queue(plan, now);
                }
            }
            Pace::Flood => {
                while self.out.len() < BACKLOG {
                    self.queue(plan, now);
                }
            }
            Pace::Silent => {}
        }
        self.write();
    }

    fn queue(&mut self, plan: &CrewPlan, due: Instant) {
        let body = message::build(plan.seed, self.account.id, self.framed, plan.sizes);
        self.append(BINARY, &body);
        self.framed += 1;
        self.ends.push_back(self.queued);
        self.waiting.push_back(due);
    }

    fn append(&mut self, opcode: u8, body: &[u8]) {
        let before = self.out.len();
        let key = (self.mask.draw() as u32).to_le_bytes();
        frame::append(&mut self.out, opcode, body, Some(key));
        self.queued += (self.out.len() - before) as u64;
    }

    /// Begins the closing handshake once all that was sent has come back.
    pub(super) fn finish(&mut self) {
        match self.state {
            State::Open if self.waiting.is_empty() => {
                self.append(CLOSE, &1000u16.to_be_bytes());
                self.state = State::Closing;
                self.write();
            }
            State::Connecting | State::Upgrading => self.end(End::GaveUp),
            _ => {}
        }
    }

    /// No more is waited for.
    pub(super) fn give_up(&mut self, end: End) {
        if !self.is_over() {
            self.end(end);
        }
    }

    /// What the socket has room for.
    pub(super) fn write(&mut self) {
        let Some(socket) = &self.socket else { return };
        if self.state == State::Connecting {
            match sockopt::socket_error(socket) {
                Ok(Ok(())) if net::getpeername(socket).is_ok() => self.state = State::Upgrading,
                Ok(Ok(())) => return,
                Ok(Err(errno)) | Err(errno) => return self.end(End::Refused(errno.to_string())),
            }
        }
        let mut at = 0;
        while let Some(rest) = self.out.get(at..).filter(|rest| !rest.is_empty()) {
            match net::send(socket, rest, SendFlags::NOSIGNAL) {
                Ok(sent) => at += sent,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                // What the peer has said before is still to be read, and says why.
                Err(_) => {
                    self.out.clear();
                    at = 0;
                    break;
                }
            }
        }
        self.out.drain(..at);
        self.taken += at as u64;
        while self.ends.front().is_some_and(|end| *end <= self.taken) {
            self.ends.pop_front();
            self.account.sent += 1;
        }
    }

    /// Reads what is there; `come` is told when each answer came and how long it took.
    pub(super) fn read(&mut self, plan: &CrewPlan, mut come: impl FnMut(Duration)) {
        let mut room = [0; PIECE];
        // A turn is not one connection's.
        for _ in 0..4 {
            let Some(socket) = &self.socket else { return };
            match net::recv(socket, &mut room[..], RecvFlags::empty()) {
                Ok((0, _)) => return self.stream_ended(None),
                Ok((count, _)) => {
                    self.input.extend_from_slice(&room[..count]);
                    self.take(plan, &mut come);
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(errno) => return self.stream_ended(Some(errno)),
            }
        }
    }

    fn take(&mut self, plan: &CrewPlan, come: &mut impl FnMut(Duration)) {
        if self.state == State::Upgrading {
            let Some(len) = handshake::head_len(&self.input) else { return };
            if let Err(error) = handshake::check_head(&self.input[..len]) {
                return self.end(End::Refused(error.to_string()));
            }
            self.input.drain(..len);
            self.state = State::Open;
            self.account.opened = true;
            self.next_due = self.next_due.max(Instant::now());
        }
        let mut at = 0;
        while let Some(rest) = self.input.get(at..) {
            let header = match frame::parse(rest) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(error) => return self.wrong(error.to_string()),
            };
            let whole = header.size + header.len;
            let Some(body) = rest.get(header.size..whole) else { break };
            if header.mask.is_some() || !header.fin {
                return self.wrong("a frame no echo is made of".into());
            }
            let body = body.to_vec();
            at += whole;
            if !self.frame(plan, header.opcode, &body, come) {
                return;
            }
        }
        self.input.drain(..at);
    }

    fn frame(
        &mut self,
        plan: &CrewPlan,
        opcode: u8,
        body: &[u8],
        come: &mut impl FnMut(Duration),
    ) -> bool {
        match opcode {
            BINARY => {
                let number = self.account.answered as u32;
                let right = message::build(plan.seed, self.account.id, number, plan.sizes);
                let Some(due) = self.waiting.pop_front().filter(|_| body == right) else {
                    self.wrong(format!("answer {number} is not what was sent"));
                    return false;
                };
                self.account.answered += 1;
                self.account.answered_bytes += body.len() as u64;
                come(due.elapsed());
            }
            PING => {
                self.append(PONG, body);
                self.account.pings += 1;
                self.write();
            }
            CLOSE => {
                let code = body.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code));
                self.close_came = Some(code);
                if self.state == State::Open {
                    // What was to follow is not sent any more; RFC 6455 §5.5.1.
                    self.append(CLOSE, &code.to_be_bytes());
                    self.state = State::Closing;
                    self.write();
                }
            }
            _ => {
                self.wrong(format!("opcode {opcode}"));
                return false;
            }
        }
        true
    }

    fn stream_ended(&mut self, errno: Option<Errno>) {
        let end = match (self.close_came, errno) {
            (Some(code), _) => End::Closed(code),
            (None, _) if !self.account.opened => End::Refused(match errno {
                Some(errno) => errno.to_string(),
                None => "ended without an answer".into(),
            }),
            (None, Some(errno)) => End::Reset(errno.to_string()),
            (None, None) => End::Eof,
        };
        self.end(end);
    }

    fn wrong(&mut self, what: String) {
        self.end(End::Wrong(what));
    }

    fn end(&mut self, end: End) {
        self.state = State::Ended;
        self.account.end = end;
        self.socket = None;
    }
}

/// A socket whose connect is under way.
fn begin(server: SocketAddr) -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    match net::connect(&socket, &server) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(errno) => Err(errno),
    }
}
