//! Calls through the engine's handle that a callback makes for connections of its own reactor: they
//! are carried out before its next call on a connection, so that a thread's calls keep one order.

use super::mailbox::{Mailbox, Weigh};
use super::name::{CallError, Conn};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// What a reactor shares with handles that are used on its own thread.
pub(crate) struct Own<M> {
    pub(crate) mail: Mailbox<M>,
    /// The connection whose answers may go the short way: none as soon as there is mail.
    written: AtomicU64,
    /// What `written` is then, since the writer is still open: a number that no connection has, nor
    /// anybody can hit upon.
    nobody: u64,
}

impl<M: Weigh> Own<M> {
    pub(crate) fn new(bytes_max: usize) -> Self {
        // Generation 0 is nobody's.
        let nobody = RandomState::new().build_hasher().finish() << 32;
        let written = AtomicU64::new(Conn::NONE.to_bits());
        Self { mail: Mailbox::new(bytes_max), written, nobody }
    }

    /// Puts one in. The reactor is awake: it is calling us.
    pub(crate) fn put(&self, mail: M) -> Result<(), CallError> {
        self.mail.push(mail)?;
        self.set_written(Conn::from_bits(self.nobody));
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn is_written(&self, conn: Conn) -> bool {
        self.written.load(Ordering::Relaxed) == conn.to_bits()
    }

    pub(crate) fn set_written(&self, conn: Conn) {
        self.written.store(conn.to_bits(), Ordering::Relaxed);
    }
}
