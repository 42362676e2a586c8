//! Our end of a simulated connection: the operations on it and the contract they are held to.

use super::net::Link;
use super::{Choices, Faults};
use crate::memory::Batch;
use crate::ring::{Destination, Errno, Token};
use std::io::IoSlice;

/// How a receive receives.
#[derive(Debug)]
pub(super) enum Target {
    /// Into provided buffers, again and again.
    Buffers,
    /// At most so many bytes, once.
    Buffer(usize),
    /// Into a large provided buffer, once.
    Large,
    /// At most so many bytes behind what memory holds, once.
    Memory(Destination, usize),
    /// None: until the peer has ended its direction.
    Nothing,
}

/// A receive that the kernel works on.
#[derive(Debug)]
pub(super) struct Receive {
    pub(super) token: Token,
    pub(super) cancelled: bool,
    pub(super) target: Target,
}

/// A send that the kernel works on.
#[derive(Debug)]
pub(super) struct Send {
    pub(super) token: Token,
    pub(super) batch: Batch,
    /// What the batch held when it was handed over: it must hold the same when it is given back.
    bytes: Vec<u8>,
    done: usize,
}

impl Send {
    pub(super) fn new(token: Token, batch: Batch) -> Self {
        let bytes = flatten(&batch);
        assert!(!bytes.is_empty(), "an empty batch was sent");
        Self { token, batch, bytes, done: 0 }
    }

    /// Moves what the wire takes; the result once the operation is over.
    pub(super) fn progress(
        &mut self,
        link: &mut Link,
        window: usize,
        shut: bool,
        choices: &mut Choices,
        faults: &Faults,
    ) -> Option<Result<usize, Errno>> {
        let ended = |done: usize, errno| Some(if done > 0 { Ok(done) } else { Err(errno) });
        if let Some(errno) = link.broken {
            return ended(self.done, if choices.chance(500) { Errno::PIPE } else { errno });
        }
        if shut {
            return ended(self.done, Errno::PIPE);
        }
        if choices.chance(faults.send_error) {
            let errnos = [Errno::CONNRESET, Errno::PIPE, Errno::TIMEDOUT];
            link.sever(*choices.pick(&errnos));
            return None;
        }
        let room = window.saturating_sub(link.down.len());
        let mut most = room.min(self.bytes.len() - self.done);
        if most > 0 && choices.chance(faults.short) {
            most = choices.between(1, most);
        }
        if link.reset {
            // The peer is gone: its kernel takes the bytes and drops them.
        } else {
            link.down.extend(&self.bytes[self.done..self.done + most]);
        }
        self.done += most;
        let whole = self.done == self.bytes.len();
        (whole || self.done > 0 && choices.chance(faults.short)).then_some(Ok(self.done))
    }

    /// The batch, which must be as it came.
    pub(super) fn finish(self) -> (Token, Batch) {
        assert_eq!(flatten(&self.batch), self.bytes, "memory changed while the kernel held it");
        (self.token, self.batch)
    }
}

/// The pieces that one `sendmsg` would carry, in a row.
fn flatten(batch: &Batch) -> Vec<u8> {
    let mut pieces = [IoSlice::new(&[]); 64];
    let written = batch.slices(&mut pieces);
    pieces[..written].concat_bytes()
}

/// `concat` for slices of bytes that are no arrays.
trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for [IoSlice<'_>] {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|piece| piece.iter().copied()).collect()
    }
}

/// A socket that was accepted and not yet given back.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) link: usize,
    pub(super) receive: Option<Receive>,
    pub(super) send: Option<Send>,
    /// A receive is out as the reactor sees it: its final completion was not handed over yet.
    pub(super) receive_out: bool,
    /// The same of a send.
    pub(super) send_out: bool,
    /// The stream has ended or failed: nothing more will be received.
    pub(super) drained: bool,
    /// Our direction has been ended.
    pub(super) send_ended: bool,
    /// Both directions have been ended.
    pub(super) shut: bool,
    pub(super) closing: bool,
}

impl Local {
    pub(super) fn new(link: usize) -> Self {
        Self {
            link,
            receive: None,
            send: None,
            receive_out: false,
            send_out: false,
            drained: false,
            send_ended: false,
            shut: false,
            closing: false,
        }
    }

    pub(super) fn arm_receive(&mut self, token: Token, target: Target) {
        assert!(!self.closing, "receive on a socket that is being closed");
        assert!(!self.receive_out, "a second receive on one socket");
        assert!(!self.drained, "receive after the end of the stream");
        assert!(!self.shut, "receive after shutdown");
        self.receive = Some(Receive { token, cancelled: false, target });
        self.receive_out = true;
    }

    pub(super) fn start_send(&mut self, send: Send) {
        assert!(!self.closing, "send on a socket that is being closed");
        assert!(!self.send_out, "a second send on one socket");
        assert!(!self.send_ended, "send after the direction was ended");
        assert!(!self.shut, "send after shutdown");
        self.send = Some(send);
        self.send_out = true;
    }

    pub(super) fn end_send(&mut self) {
        assert!(!self.closing, "shutdown of a socket that is being closed");
        assert!(!self.send_out, "the direction was ended under a send");
        assert!(!self.send_ended, "the direction was ended twice");
        self.send_ended = true;
    }

    pub(super) fn shut(&mut self) {
        assert!(!self.closing, "shutdown of a socket that is being closed");
        self.shut = true;
        self.send_ended = true;
    }

    pub(super) fn start_close(&mut self) {
        assert!(!self.closing, "a socket was closed twice");
        assert!(!self.receive_out, "a socket was closed under a receive");
        assert!(!self.send_out, "a socket was closed under a send");
        self.closing = true;
    }
}
