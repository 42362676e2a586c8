//! What a server's connection remembers of HTTP requests, before it is open or instead.

use crate::proto::body::Body;
use crate::proto::handshake::{Request, Wants};

/// Of a connection on which a request has come that is no upgrade.
#[derive(Debug)]
pub(in crate::conn) struct Http {
    /// What the answer to the latest request depends on.
    pub(in crate::conn) wants: Wants,
    /// A request whose body is coming.
    pub(in crate::conn) coming: Option<(Request<'static>, Body)>,
    /// All requests are answered, and no other has begun: since the mark of the clock.
    pub(in crate::conn) between: bool,
}

impl Http {
    pub(super) fn new(wants: Wants) -> Self {
        Self { wants, coming: None, between: false }
    }

    /// Bytes that it holds.
    pub(in crate::conn) fn collected(&self) -> usize {
        self.coming.as_ref().map_or(0, |(request, body)| request.head_len() + body.collected())
    }
}
