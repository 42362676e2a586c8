//! Receives that bring much in one go, and what the kernel overlooks behind that.

use super::receives::{Kind, Receives, Standing};
use super::{Socket, Token};

/// After so many pieces the kernel leaves a multishot receive for later (`MULTISHOT_MAX_RETRY`).
const RUN: u8 = 32;

impl Standing {
    pub(super) fn is_in_kernel(self) -> bool {
        matches!(self, Self::Armed | Self::Cancelling | Self::Looking)
    }
}

impl Receives {
    /// A multishot receive has brought a piece and goes on. Whether to cancel it and to arm it
    /// again, because somebody has to look at the socket.
    ///
    /// After a long run the kernel comes back to a receive, and when it has emptied the socket then
    /// it waits to be woken. What is behind the last piece is noticed if the peer has ended its
    /// direction, for which `tcp_inq_hint` pretends that there was a byte more, but not if it has
    /// reset the connection: nothing would ever wake a receive that has slept through that. One
    /// that is armed looks.
    #[inline]
    pub(super) fn emptied(&mut self, token: Token, left_some: bool) -> bool {
        if left_some {
            let before = if self.run.0 == token { self.run.1 } else { 0 };
            self.run = (token, before.saturating_add(1));
            if self.run.1 == RUN {
                self.note_long(token);
            }
            return false;
        }
        if self.run.0 == token {
            self.run.1 = 0;
        }
        self.long > 0 && self.looks(token)
    }

    #[cold]
    fn note_long(&mut self, token: Token) {
        if let Some(receive) = self.at(token)
            && receive.kind == Kind::Multishot
            && !receive.long
        {
            receive.long = true;
            self.long += 1;
        }
    }

    #[cold]
    fn looks(&mut self, token: Token) -> bool {
        let was_long = self.is_not_long(token);
        match self.at(token) {
            Some(receive) if was_long && receive.standing == Standing::Armed => {
                receive.standing = Standing::Looking;
                true
            }
            _ => false,
        }
    }

    /// It is not any more, nor does what it has brought count; whether it was.
    pub(super) fn is_not_long(&mut self, token: Token) -> bool {
        if self.run.0 == token {
            self.run.1 = 0;
        }
        let was = self.at(token).is_some_and(|receive| std::mem::take(&mut receive.long));
        self.long -= usize::from(was);
        was
    }

    /// The kernel has ended a receive with `ECANCELED`: that goes to it again if it was only to
    /// look.
    pub(super) fn look(&mut self, token: Token) -> Option<(Socket, Kind)> {
        let receive = self.at(token)?;
        if receive.standing != Standing::Looking {
            return None;
        }
        receive.standing = Standing::Armed;
        Some((Socket(receive.socket), receive.kind))
    }
}

#[cfg(test)]
mod tests {
    use super::super::receives::{Cancel, End, Queue};
    use super::*;

    const A: Token = Token { slot: 3, generation: 1 };
    const B: Token = Token { slot: 0, generation: 1 };

    #[test]
    fn after_a_long_run_somebody_looks_once() {
        let mut receives = Receives::default();
        receives.arm(Socket(7), A, Kind::Multishot);
        let run = |receives: &mut Receives, pieces| {
            (0..pieces).for_each(|_| assert!(!receives.emptied(A, true)));
            receives.emptied(A, false)
        };
        assert!(!run(&mut receives, RUN - 1), "a short one");
        assert!(run(&mut receives, RUN));
        assert!(!run(&mut receives, RUN), "somebody looks already");
        assert_eq!(receives.look(A), Some((Socket(7), Kind::Multishot)));
        assert_eq!(receives.look(A), None);
        // What others bring in between does not matter.
        (0..RUN).for_each(|_| assert!(!receives.emptied(A, true)));
        assert!(!receives.emptied(B, true) && !receives.emptied(B, false));
        assert!(receives.emptied(A, false));
        // A cancel of the reactor's goes before: it is told.
        assert_eq!(receives.cancel(A), Cancel::Kernel(Kind::Multishot));
        assert_eq!((receives.look(A), receives.ended(A, false)), (None, End::Over));
        assert_eq!(receives.long, 0);
        // What was brought before no buffer was left does not count.
        receives.arm(Socket(7), A, Kind::Multishot);
        (0..RUN).for_each(|_| assert!(!receives.emptied(A, true)));
        receives.note_heavy(A, true);
        receives.ended(A, true);
        receives.revive(Queue::Heavy);
        assert!(!receives.emptied(A, false));
        assert!(run(&mut receives, RUN));
    }
}
