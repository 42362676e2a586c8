//! One connection's TLS, either side of it.

use super::client::Client;
use super::error::Alert;
use super::identity::take_asked;
use super::record::{HEADER, Plain, Step, end_of_record, step};
use super::server::Server;
use crate::memory::Pool;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::{CommonState, HandshakeKind, SupportedCipherSuite};
use std::ops::Range;

pub(super) enum Side {
    Server(UnbufferedServerConnection),
    Client(UnbufferedClientConnection),
}

/// One connection's TLS. Between records it holds nothing beside rustls's own state.
pub struct Session {
    pub(super) side: Side,
    /// What came of a record that is not whole, or of a handshake message over several records;
    /// no more than one of either.
    pub(super) carry: Vec<u8>,
    /// How much of `carry` rustls has seen.
    pub(super) seen: usize,
    /// To be sent.
    pub(super) output: Vec<u8>,
    failure: Option<Box<Alert>>,
    asked: Option<Box<str>>,
    pub(super) established: bool,
    pub(super) peer_closed: bool,
    pub(super) closed: bool,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("established", &self.established)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// Plaintext in memory that was handed in, and how much of that is done with.
struct Opened {
    plain: Range<usize>,
    used: usize,
}

impl Session {
    /// The server's side, under its current settings.
    ///
    /// # Errors
    /// The library refuses.
    pub fn server(server: &Server) -> Result<Self, Alert> {
        let conn = UnbufferedServerConnection::new(server.current());
        Ok(Self::new(Side::Server(conn.map_err(|error| Alert(error.to_string()))?)))
    }

    /// The client's side, for a connection to the host `name` (a name or an address, without
    /// brackets), which the server's certificate must be for. The greeting is output at once.
    ///
    /// # Errors
    /// A name that none can be.
    pub fn client(client: &Client, name: &str, pool: &mut Pool) -> Result<Self, Alert> {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| Alert(format!("\"{name}\" is not a name that a certificate can have")))?;
        let conn = UnbufferedClientConnection::new(client.current(), name);
        let mut session = Self::new(Side::Client(conn.map_err(|error| Alert(error.to_string()))?));
        session.receive_carried(pool);
        Ok(session)
    }

    fn new(side: Side) -> Self {
        Self {
            side,
            carry: Vec::new(),
            seen: 0,
            output: Vec::new(),
            failure: None,
            asked: None,
            established: false,
            peer_closed: false,
            closed: false,
        }
    }

    /// Whether the handshake is done.
    #[inline]
    pub fn is_established(&self) -> bool {
        self.established
    }

    /// Whether the handshake was a short one, of a session that had been before.
    pub fn is_resumed(&self) -> bool {
        self.common().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Why it has ended. Nothing but what is in the output may be sent after, and whatever is
    /// received is discarded.
    pub fn failure(&self) -> Option<&Alert> {
        self.failure.as_deref()
    }

    /// Whether the peer has said, by a close_notify, that it sends no more.
    pub fn is_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether our close_notify is made.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The name that the client has asked for, in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.asked.as_deref()
    }

    /// The certificate that the peer has shown and that was verified, in DER.
    pub fn peer_certificate(&self) -> Option<&[u8]> {
        Some(self.common().peer_certificates()?.first()?)
    }

    fn common(&self) -> &CommonState {
        match &self.side {
            Side::Server(conn) => conn,
            Side::Client(conn) => conn,
        }
    }

    /// Bytes between a record's header and its payload: AES-GCM in TLS 1.2 has some (RFC 5288 §3).
    fn explicit_nonce(&self) -> usize {
        use rustls::CipherSuite as Suite;
        match self.common().negotiated_cipher_suite() {
            Some(SupportedCipherSuite::Tls12(suite)) => match suite.common.suite {
                Suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                | Suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 => 0,
                _ => 8,
            },
            _ => 0,
        }
    }

    /// Bytes of memory for records in part and for what is to be sent.
    pub(crate) fn held(&self) -> usize {
        self.carry.capacity() + self.output.capacity()
    }

    /// Bytes of records that have not come whole.
    pub fn carried(&self) -> usize {
        self.carry.len()
    }

    /// Whether a record waits whole: there is work for [`Session::receive_carried`].
    pub fn is_ready(&self) -> bool {
        let unseen = self.carry.get(self.seen..).unwrap_or_default();
        end_of_record(unseen).is_some_and(|end| end <= unseen.len())
    }

    /// Keeps bytes for [`Session::receive_carried`].
    pub fn carry(&mut self, bytes: &[u8], pool: &mut Pool) {
        if bytes.is_empty() || self.failure.is_some() || self.peer_closed {
            return;
        }
        if self.carry.capacity() == 0 {
            self.carry = pool.get();
        }
        let total = self.carry.len() + bytes.len();
        pool.grow(&mut self.carry, total);
        self.carry.extend_from_slice(bytes);
    }

    /// As [`Session::carry`], but only up to the end of the record that is carried. Returns how
    /// many bytes that took.
    pub fn complete(&mut self, bytes: &[u8], pool: &mut Pool) -> usize {
        let mut taken = 0;
        // First what tells the length, then the rest.
        for _ in 0..2 {
            let have = self.carry.len() - self.seen;
            let end = match self.carry.get(self.seen..).and_then(end_of_record) {
                Some(end) => end,
                None => HEADER,
            };
            let more = end.saturating_sub(have).min(bytes.len() - taken);
            self.carry(bytes.get(taken..taken + more).unwrap_or_default(), pool);
            taken += more;
        }
        if self.failure.is_some() || self.peer_closed { bytes.len() } else { taken }
    }

    /// Takes in what was carried. The plaintext in it, if any, lies in the range of the vector,
    /// which is for the pool afterwards.
    pub fn receive_carried(&mut self, pool: &mut Pool) -> Option<(Vec<u8>, Range<usize>)> {
        let mut carry = std::mem::take(&mut self.carry);
        let Opened { plain, used } = self.open(&mut carry, pool);
        if plain.is_empty() {
            carry.drain(..used);
            if carry.is_empty() {
                pool.put(carry);
            } else {
                self.carry = carry;
            }
            return None;
        }
        self.carry(carry.get(used..).unwrap_or_default(), pool);
        Some((carry, plain))
    }

    /// Decrypts the records in `bytes` where they lie, and moves what was in them together: the
    /// range of it. What is left of a record that is cut off is carried. Only when nothing was
    /// carried before.
    pub fn receive(&mut self, bytes: &mut [u8], pool: &mut Pool) -> Range<usize> {
        debug_assert!(self.carry.is_empty(), "what came before goes first");
        let Opened { plain, used } = self.open(bytes, pool);
        self.carry(bytes.get(used..).unwrap_or_default(), pool);
        plain
    }

    /// Goes through whole records, of which rustls has seen the first `self.seen` bytes.
    fn open(&mut self, bytes: &mut [u8], pool: &mut Pool) -> Opened {
        if self.output.capacity() == 0 && !self.established {
            self.output = pool.get();
        }
        let (mut from, mut to) = (0, std::mem::take(&mut self.seen));
        let mut plain = 0..0;
        // A client speaks first: with nothing received there is a step to do.
        let mut start = to;
        let mut idle = self.established;
        while self.failure.is_none() && !self.peer_closed {
            let done = loop {
                if std::mem::take(&mut idle) {
                    break false;
                }
                let (discard, step) = self.process(bytes.get_mut(from..to).unwrap_or_default());
                from += discard;
                match step {
                    Step::Again => {}
                    Step::Blocked => break false,
                    Step::Plain(found) => {
                        let at = start + HEADER + self.explicit_nonce();
                        if !gather(bytes, at, to, &found, &mut plain) {
                            self.fail(&rustls::Error::General("not decrypted in place".into()));
                            break true;
                        }
                        if from == to {
                            break false;
                        }
                    }
                    Step::Ended => {
                        self.peer_closed = true;
                        break true;
                    }
                    Step::Failed(error) => {
                        self.fail(&error);
                        break true;
                    }
                }
            };
            let rest = bytes.get(to..).unwrap_or_default();
            match end_of_record(rest) {
                Some(end) if !done && end <= rest.len() => {
                    start = to;
                    to += end;
                }
                _ => break,
            }
        }
        self.finish(pool);
        if self.failure.is_some() || self.peer_closed {
            return Opened { plain, used: bytes.len() };
        }
        self.seen = to - from;
        Opened { plain, used: from }
    }

    /// What follows from what was taken in.
    fn finish(&mut self, pool: &mut Pool) {
        if self.failure.is_some() {
            // The alert. It must not be asked for more than that: what it had seen is gone.
            while self.common().wants_write() {
                self.process(&mut []);
            }
        }
        if !self.established {
            self.asked = self.asked.take().or_else(take_asked);
            self.established = !self.common().is_handshaking() && self.failure.is_none();
        }
        if self.output.is_empty() {
            pool.put(std::mem::take(&mut self.output));
        }
    }

    pub(super) fn fail(&mut self, error: &rustls::Error) {
        self.failure.get_or_insert_with(|| Box::new(Alert(error.to_string())));
    }

    fn process(&mut self, window: &mut [u8]) -> (usize, Step) {
        match &mut self.side {
            Side::Server(conn) => step(conn.process_tls_records(window), &mut self.output),
            Side::Client(conn) => step(conn.process_tls_records(window), &mut self.output),
        }
    }

    /// Gives all memory back but rustls's.
    pub fn release(&mut self, pool: &mut Pool) {
        pool.put(std::mem::take(&mut self.carry));
        pool.put(std::mem::take(&mut self.output));
        self.seen = 0;
    }
}

/// Moves a decrypted record behind those before it; `false` when it is not where it should be.
fn gather(
    bytes: &mut [u8],
    at: usize,
    end: usize,
    found: &Plain,
    plain: &mut Range<usize>,
) -> bool {
    let there = at..at + found.len;
    if there.end > end || !bytes.get(there.clone()).is_some_and(|bytes| found.is(bytes)) {
        return false;
    }
    if plain.start == plain.end {
        *plain = there;
    } else {
        bytes.copy_within(there, plain.end);
        plain.end += found.len;
    }
    true
}
