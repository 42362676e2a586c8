//! Two tasks that wait for one connection: each operation wakes both, since what one of them
//! started may be what the other waits for.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Wake, Waker};

/// Who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Receiver,
    Sender,
}

/// Wakes both sides.
#[derive(Debug, Default)]
pub(super) struct Both(Mutex<[Option<Waker>; 2]>);

impl Both {
    /// The task of `cx` waits on this side.
    pub(super) fn register(&self, side: Side, cx: &Context<'_>) {
        let mut wakers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [receiver, sender] = &mut *wakers;
        let place = if side == Side::Receiver { receiver } else { sender };
        match place {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *place = Some(cx.waker().clone()),
        }
    }
}

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}
