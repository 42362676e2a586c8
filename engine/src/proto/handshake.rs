//! The server's half of the opening handshake, RFC 6455 §4.2.

/// A checked upgrade request. Header values are borrowed from the head.
#[derive(Debug)]
pub struct Request<'b> {
    _p: std::marker::PhantomData<&'b ()>,
}

impl Request<'_> {
    /// The request target, as sent: path and query.
    pub fn target(&self) -> &str {
        unimplemented!()
    }
    /// The value of the first header of that name, whatever its case.
    pub fn header(&self, _name: &str) -> Option<&[u8]> {
        unimplemented!()
    }
    /// All headers in order, names as sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        std::iter::empty()
    }
    /// The subprotocols the client offers, in its order.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
}

/// What goes into a 101 answer.
#[derive(Debug, Default)]
pub struct Response {}

impl Response {
    /// Chooses a subprotocol; refused unless the request offers exactly it.
    pub fn set_protocol(&mut self, _r: &Request<'_>, _name: &str) -> Result<(), InvalidHeader> {
        unimplemented!()
    }
    /// Adds a header. Refused: names that are no tokens, values with CR, LF, NUL or other control
    /// bytes, and names that the handshake owns.
    pub fn add_header(&mut self, _name: &str, _value: &[u8]) -> Result<(), InvalidHeader> {
        unimplemented!()
    }
}

/// A header or subprotocol that may not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a header that may be sent here")]
pub struct InvalidHeader;

/// An answer other than 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// 400..=599.
    pub status: u16,
}
