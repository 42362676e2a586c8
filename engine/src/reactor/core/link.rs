//! A connection's TLS.

use crate::memory::{Batch, Pool};
use crate::tls::{Server, Session};

/// A connection's TLS, and what of the connection is in it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) session: Session,
    /// Of which the first `taken` bytes are on their way, encrypted.
    pub(crate) batch: Option<Batch>,
    pub(crate) taken: usize,
    /// What a short send left of the ciphertext.
    pub(crate) rest: Option<Batch>,
    /// What is on its way is not encrypted: the words to a proxy.
    pub(crate) plain: bool,
    /// Waits to go on with the handshake.
    pub(crate) queued: bool,
    /// The handshake was counted as done.
    pub(crate) counted: bool,
    /// It sends its last words to a peer that has ended its direction.
    pub(crate) lingering: bool,
}

impl Link {
    /// The server's side. `None` when the library refuses.
    pub(crate) fn server(settings: &Server) -> Option<Box<Self>> {
        Session::server(settings).ok().map(|session| Self::new(session, false))
    }

    pub(crate) fn new(session: Session, plain: bool) -> Box<Self> {
        Box::new(Self {
            session,
            batch: None,
            taken: 0,
            rest: None,
            plain,
            queued: false,
            counted: false,
            lingering: false,
        })
    }

    /// Bytes of memory for records that have come in part, for what is being encrypted and for
    /// what was and has not left.
    pub(crate) fn held(&self) -> usize {
        let batches = [&self.batch, &self.rest].into_iter().flatten();
        self.session.held() + batches.map(Batch::weight).sum::<usize>()
    }

    /// Whether it will send more, be it only a close_notify or an alert.
    pub(crate) fn owes(&self) -> bool {
        let session = &self.session;
        let open = session.is_established() && session.failure().is_none();
        session.has_output() || self.rest.is_some() || open && !session.is_closed()
    }

    pub(crate) fn release(mut self: Box<Self>, pool: &mut Pool) {
        self.session.release(pool);
        for batch in [self.batch, self.rest].into_iter().flatten() {
            batch.recycle(pool);
        }
    }
}
