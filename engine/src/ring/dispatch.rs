//! What completions mean.

use super::op::{Op, numbers};
use super::outcome::{goes_on, outcome, own};
use super::receives::{End, QUANTUM};
use super::supply::Group;
use super::uring::Uring;
use super::{Completion, Destination, Errno, Socket, Token};
use io_uring::cqueue;
use rustix::net::Shutdown;

impl Uring {
    /// Acts on completions; `true` when that has queued questions whose answers are immediate.
    pub(super) fn process(&mut self, entries: &[cqueue::Entry], out: &mut Vec<Completion>) -> bool {
        let (mut asked, mut woken) = (false, false);
        for entry in entries {
            let (data, result) = (entry.user_data(), entry.result());
            let op = Op::parse(data);
            let more = goes_on(op, entry);
            if !more && op != Some(Op::Woken) {
                self.queue.ended();
            }
            let (high, low) = numbers(data);
            match op {
                Some(Op::Receive) => self.received(Token::unpack(data), entry, out),
                Some(Op::Direct) => self.received_into(Token::unpack(data), result, out),
                Some(Op::Watch) => self.hung_up(Token::unpack(data), result, out),
                Some(Op::Send) => {
                    if let Some((token, batch)) = self.held.sends.land(low) {
                        let result = outcome(result).map(|bytes| bytes as usize);
                        out.push(Completion::Sent { token, batch, result });
                    }
                }
                Some(Op::Accept) => asked |= self.accepted(high as usize, low, result, out),
                Some(Op::Credentials) => self.told_who(high as usize, low, result, out),
                Some(Op::ShutdownInstall) => self.installed(high, Socket(low), result),
                Some(Op::Shutdown) => self.was_shut(Socket(low)),
                Some(Op::Close) => out.push(Completion::Closed { token: Token::unpack(data) }),
                Some(Op::Socket) => asked |= self.socket_made(Token::unpack(data), result, out),
                Some(Op::Connect) => self.dialed(Token::unpack(data), result, out),
                Some(Op::Adopt) => self.taken_in(low, result, out),
                Some(Op::Progress) => self.tell_progress(Token::unpack(data), result, out),
                Some(Op::TakeOut) => self.given_out(high, low, result, out),
                Some(Op::CancelAccept) => asked |= self.accept_cancelled(high, low, result),
                Some(Op::Eventfd) => {
                    woken = true;
                    self.read_eventfd();
                }
                Some(Op::Alarm) => self.held.bell.due = None,
                Some(Op::Woken) => woken = true,
                Some(Op::Wake) if result < 0 => {
                    // Its ring has ended or not begun, or is too full: the eventfd always works.
                    if let Some(waker) = self.wakers.get(low as usize) {
                        waker.wake();
                    }
                }
                Some(Op::Wake | Op::Cancel | Op::Aside) => {}
                None => debug_assert!(false, "a completion of nobody: {entry:?}"),
            }
        }
        if woken {
            out.push(Completion::Woken);
        }
        asked
    }

    fn received(&mut self, token: Token, entry: &cqueue::Entry, out: &mut Vec<Completion>) {
        let more = goes_on(Some(Op::Receive), entry);
        let buffer = cqueue::buffer_select(entry.flags());
        let mut result = match (outcome(entry.result()), buffer) {
            (Ok(len @ 1..), Some(id)) => {
                let heavy = len >= u32::from(QUANTUM);
                if heavy || !more {
                    self.receives.note_heavy(token, heavy);
                }
                Ok(Some(self.held.supply.take(id, len)))
            }
            (ended, buffer) => {
                if let Some(id) = buffer {
                    self.held.supply.reject(id);
                }
                ended.map(|_| None)
            }
        };
        if more {
            if self.receives.emptied(token, cqueue::sock_nonempty(entry.flags())) {
                self.cancel(Op::Receive.of(token));
            }
        } else if matches!(result, Err(Errno::CANCELED))
            && let Some((socket, kind)) = self.receives.look(token)
        {
            return self.push_receive(socket, token, kind, 0);
        } else {
            self.receives.note_rest(token, cqueue::sock_nonempty(entry.flags()));
            match self.receives.ended(token, matches!(result, Err(Errno::NOBUFS))) {
                End::Over => {}
                End::Starved(group) => return self.starved(group),
                End::Cancelled => result = Err(Errno::CANCELED),
            }
        }
        out.push(Completion::Received { token, result, more });
    }

    /// A receive has found no buffer. Of the large group that is how it waits for its turn.
    fn starved(&mut self, group: Group) {
        if group == Group::Small {
            self.queue.stats.buffers_exhausted += 1;
        } else {
            self.queue.stats.large_waits += 1;
        }
        self.held.supply.exhausted(group);
    }

    fn received_into(&mut self, token: Token, result: i32, out: &mut Vec<Completion>) {
        let result = outcome(result).map(|bytes| bytes as usize);
        let written = result.unwrap_or(0);
        // SAFETY: the kernel has written so many bytes to where it was told to, and is done.
        if let Some(memory) = unsafe { self.held.direct.end(token, written) } {
            self.receives.ended(token, false);
            if let Destination::Buffer(lease) = &memory {
                self.held.supply.grown(lease);
            }
            out.push(Completion::ReceivedInto { token, memory, result });
        }
    }

    fn hung_up(&mut self, token: Token, result: i32, out: &mut Vec<Completion>) {
        self.receives.ended(token, false);
        let result = outcome(result).and_then(|events| {
            // The kernel tells which error it was only to whoever asks for it, and then no more.
            if events & libc::POLLERR as u32 != 0 { Err(Errno::CONNRESET) } else { Ok(()) }
        });
        out.push(Completion::HungUp { token, result });
    }

    fn installed(&mut self, how: u32, socket: Socket, result: i32) {
        let how = if how == 1 { Shutdown::Both } else { Shutdown::Write };
        match outcome(result) {
            Ok(fd) => {
                // SAFETY: a descriptor just installed, ours to close.
                let fd = unsafe { own(fd as i32) };
                // ENOTCONN: the peer has reset it already.
                let _ = rustix::net::shutdown(&fd, how);
                self.was_shut(socket);
            }
            Err(_) => self.push_shutdown(socket, how),
        }
    }

    fn was_shut(&mut self, socket: Socket) {
        if let Some(token) = self.closing.ended(socket) {
            self.push_close(socket, token);
        }
    }
}
