//! What the reactor asks of a connection's TLS; of one without, the answer is always the same.

#[cfg(feature = "tls")]
use super::link::Link;
use super::slab::Slot;
use std::sync::Arc;

/// What TLS knows of a peer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Secure {
    pub(crate) server_name: Option<Box<str>>,
    pub(crate) certificate: Option<Box<[u8]>>,
}

#[cfg(feature = "tls")]
impl Slot {
    /// Its TLS, if it has any.
    #[inline(always)]
    fn link(&self) -> Option<&Link> {
        self.rare.as_ref()?.tls.as_deref()
    }

    /// The same, to go on with.
    #[inline]
    pub(crate) fn link_mut(&mut self) -> Option<&mut Link> {
        self.rare.as_mut()?.tls.as_deref_mut()
    }

    /// Bytes of memory that its TLS keeps, beside rustls itself.
    pub(crate) fn secure_held(&self) -> usize {
        self.link().map_or(0, Link::held)
    }

    /// Whether it speaks TLS.
    #[inline(always)]
    pub(crate) fn is_secure(&self) -> bool {
        self.link().is_some()
    }

    /// Whether TLS sends its last words to a peer that has ended its direction.
    pub(crate) fn is_lingering(&self) -> bool {
        self.link().is_some_and(|link| link.lingering)
    }

    /// It begins to.
    pub(crate) fn linger(&mut self) {
        if let Some(link) = self.link_mut() {
            link.lingering = true;
        }
    }

    /// Whether its TLS handshake has not ended.
    pub(crate) fn is_unestablished(&self) -> bool {
        self.link().is_some_and(|link| !link.session.is_established())
    }

    /// Whether bytes that came wait to be delivered.
    pub(crate) fn has_backlog(&self) -> bool {
        self.has_parked() || self.link().is_some_and(|link| link.queued)
    }

    /// Whether something must be sent beside what the connection has queued.
    pub(crate) fn owes(&self) -> bool {
        self.link().is_some_and(|link| self.sending || link.owes())
    }

    /// Why its TLS has failed.
    pub(crate) fn tls_failure(&self) -> Option<Arc<str>> {
        Some(self.link()?.session.failure()?.0.as_str().into())
    }

    /// Who the peer has shown to be.
    pub(crate) fn secure(&self) -> Option<Secure> {
        self.link().map(|link| Secure {
            server_name: link.session.server_name().map(Into::into),
            certificate: link.session.peer_certificate().map(Into::into),
        })
    }
}

#[cfg(not(feature = "tls"))]
impl Slot {
    /// Bytes of memory that its TLS keeps.
    pub(crate) fn secure_held(&self) -> usize {
        0
    }

    /// Whether it speaks TLS.
    #[inline(always)]
    pub(crate) fn is_secure(&self) -> bool {
        false
    }

    /// Whether TLS sends its last words to a peer that has ended its direction.
    pub(crate) fn is_lingering(&self) -> bool {
        false
    }

    /// It begins to.
    pub(crate) fn linger(&mut self) {}

    /// Whether its TLS handshake has not ended.
    pub(crate) fn is_unestablished(&self) -> bool {
        false
    }

    /// Whether bytes that came wait to be delivered.
    pub(crate) fn has_backlog(&self) -> bool {
        self.has_parked()
    }

    /// Whether something must be sent beside what the connection has queued.
    pub(crate) fn owes(&self) -> bool {
        false
    }

    /// Why its TLS has failed.
    pub(crate) fn tls_failure(&self) -> Option<Arc<str>> {
        None
    }

    /// Who the peer has shown to be.
    pub(crate) fn secure(&self) -> Option<Secure> {
        None
    }
}
