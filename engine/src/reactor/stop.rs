//! The end of a reactor: drain, then abort, then report.

use super::deliver::handle_of;
use super::mailbox::Mail;
use super::slab::{EndsBy, Phase};
use super::{Reactor, key};
use crate::proto::CloseCode;
use crate::ring::{Errno, Kernel};

impl<K: Kernel> Reactor<K> {
    /// Looks whether a stop was asked for, or one with another grace.
    pub(super) fn heed_stop(&mut self) {
        let grace_ms = self.ctx.handle.stopping();
        if grace_ms == self.grace_ms {
            return;
        }
        let Some(ms) = grace_ms else { return };
        if self.grace_ms.is_none() {
            self.drain();
        }
        self.grace_ms = grace_ms;
        self.ctx.wheel.insert(self.ctx.now.saturating_add(ms), key::GRACE);
    }

    /// No more accepts; Close 1001 to all that are open, the end to all that are not.
    fn drain(&mut self) {
        self.ctx.draining = true;
        self.stop_dials();
        self.disarm_listeners();
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            if !listener.armed && !listener.closed {
                listener.closed = true;
                self.kernel.close_listener(index);
            }
        }
        for index in self.ctx.slab.in_phase(Phase::Live) {
            let conn = handle_of(&mut self.ctx, index);
            if self.ctx.slab.at(index).announced {
                // Refused only where the closing handshake has begun already.
                let _ = self.ctx.close(conn, CloseCode::GOING_AWAY, "");
            } else {
                let _ = self.ctx.abort(conn);
            }
        }
    }

    /// Whoever has not answered by now is cut off.
    pub(super) fn grace_is_over(&mut self) {
        if self.grace_ms.is_none() {
            return;
        }
        for index in self.ctx.slab.in_phase(Phase::Live) {
            let slot = self.ctx.slab.at(index);
            (slot.abort, slot.ends_by) = (true, EndsBy::Stop);
            self.ctx.mark_dirty(index);
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.ctx.draining
            && self.ctx.slab.len() == 0
            && self.ctx.dials.is_empty()
            && self.listeners.iter().all(|listener| listener.closed)
    }

    /// Mail is refused from here on; what was taken before is carried out.
    pub(super) fn finish(&mut self) {
        let mut mails: Vec<Mail> = Vec::new();
        self.ctx.handle.0.mailboxes[self.ctx.index as usize].close(&mut mails);
        for mail in mails {
            self.ctx.deliver_mail(mail);
        }
        self.stop_dials();
    }

    /// The kernel has failed: the application hears of every connection before the thread ends.
    pub(super) fn give_up(&mut self, errno: Errno) {
        self.ctx.draining = true;
        for index in self.ctx.slab.in_phase(Phase::Live) {
            let slot = self.ctx.slab.at(index);
            (slot.errno, slot.ends_by) = (errno.raw_os_error(), EndsBy::Reactor);
            self.abort(index);
        }
        self.finish();
    }
}

impl<K: Kernel> Drop for Reactor<K> {
    /// However the thread ends, by a panic of a callback too: nobody waits for an answer from here.
    fn drop(&mut self) {
        self.ctx.handle.0.mailboxes[self.ctx.index as usize].close(&mut Vec::new());
    }
}
