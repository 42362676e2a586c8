//! The end of a ring: nothing that the kernel may still touch is freed.

use super::Token;
use super::op::{Op, numbers};
use super::outcome::{goes_on, outcome, own};
use super::supply::Group;
use super::uring::{Sockets, Uring};
use io_uring::types::CancelBuilder;
use io_uring::{cqueue, opcode};
use std::mem::ManuallyDrop;
use std::time::{Duration, Instant};

/// How long to wait for operations to end. A cancelled socket operation ends at once; only work on
/// a kernel thread could take longer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before cancelling again what has been armed meanwhile.
const ROUND: Duration = Duration::from_millis(20);

impl Uring {
    /// Cancels everything and waits until it has ended. `false` if something has not.
    fn drain(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut entries = Vec::new();
        while self.queue.in_flight() > 0 {
            let all = CancelBuilder::any().all();
            let cancel = opcode::AsyncCancel2::new(all).build().user_data(Op::Cancel.word(0));
            // SAFETY: it refers to no memory.
            unsafe { self.queue.push(cancel) };
            let waited = self.queue.wait(Some(ROUND), &mut entries);
            for entry in entries.drain(..) {
                self.discard(&entry);
            }
            if waited.is_err() || Instant::now() > deadline {
                return self.queue.in_flight() == 0;
            }
        }
        true
    }

    /// Takes a completion that nobody will hear of.
    fn discard(&mut self, entry: &cqueue::Entry) {
        let op = Op::parse(entry.user_data());
        if !goes_on(op, entry) && op != Some(Op::Woken) {
            self.queue.ended();
        }
        let (_, low) = numbers(entry.user_data());
        match (op, outcome(entry.result())) {
            (Some(Op::Send), _) => drop(self.held.sends.land(low)),
            (Some(Op::Direct), _) => {
                let token = Token::unpack(entry.user_data());
                // SAFETY: nothing is claimed to be written: nobody will read it.
                drop(unsafe { self.held.direct.end(token, 0) });
            }
            (Some(Op::Adopt), _) => _ = self.held.arrivals.land(low),
            (Some(Op::ShutdownInstall | Op::TakeOut | Op::Progress), Ok(fd)) => {
                // SAFETY: a descriptor just installed, ours to close.
                drop(unsafe { own(fd as i32) });
            }
            (Some(Op::Accept | Op::Socket), Ok(socket)) => {
                if let Sockets::Ordinary(open) = &mut self.sockets {
                    open.insert(socket);
                }
            }
            _ => {}
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        let drained = self.drain();
        // A copy of the ring's descriptor lives on in the wakers, so closing ours ends neither the
        // buffer groups nor the sockets in the table: take both away by name. A ring that never
        // had a table refuses the second.
        for group in Group::ALL {
            let _ = self.queue.ring().submitter().unregister_buf_ring(group as u16);
        }
        let _ = self.queue.ring().submitter().unregister_files();
        if self.held.bell.is_hung {
            let _ = self.queue.ring().submitter().unregister_eventfd();
        }
        // SAFETY: the queue is not used after this.
        unsafe { self.queue.close() };
        if let Sockets::Ordinary(open) = &mut self.sockets {
            for fd in open.drain() {
                // SAFETY: accepted by this ring and not closed through it.
                drop(unsafe { own(fd as i32) });
            }
        }
        if drained {
            // SAFETY: dropped here only. No operation is left that could touch it.
            unsafe { ManuallyDrop::drop(&mut self.held) };
        }
        // Else the kernel may still write to the buffers or read from the batches: losing the
        // memory is the lesser harm.
    }
}
