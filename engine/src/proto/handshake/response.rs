//! What a server answers to an upgrade request, RFC 6455 §4.2.2.

use super::field::{Added, InvalidHeader, put_field};
use super::request::Request;
#[cfg(feature = "uring")]
use super::{refusal::Refusal, reply::Reply};
use crate::proto::base64;
use crate::proto::deflate::{self, Agreed};
use sha1::{Digest, Sha1};

/// RFC 6455 §1.3: what only a WebSocket server would append to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What goes into a 101 answer. No subprotocol is accepted unless one is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    protocol: Option<String>,
    added: Added,
}

impl Response {
    /// Chooses a subprotocol; refused unless the request offers exactly it.
    pub fn set_protocol(&mut self, r: &Request<'_>, name: &str) -> Result<(), InvalidHeader> {
        if !r.protocols().any(|offered| offered == name) {
            return Err(InvalidHeader);
        }
        self.protocol = Some(name.to_owned());
        Ok(())
    }

    /// The subprotocol chosen.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Adds a header. Refused: names that are no tokens, values with CR, LF, NUL or other control
    /// bytes, and names that the handshake owns.
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
        self.added.add(name, value)
    }

    /// The headers of a reply, too.
    #[cfg(feature = "uring")]
    pub(crate) fn add_those_of(&mut self, reply: &Reply) {
        self.added.append(&reply.added);
    }

    /// Its headers go with a refusal after all.
    #[cfg(feature = "uring")]
    pub(crate) fn add_to(&self, refusal: &mut Refusal) {
        refusal.added.append(&self.added);
    }

    /// Appends the whole 101 answer to `request`.
    pub fn encode(&self, request: &Request<'_>, out: &mut Vec<u8>) {
        self.encode_with(request, None, out);
    }

    /// The same with what was agreed on of permessage-deflate.
    pub fn encode_with(
        &self,
        request: &Request<'_>,
        extension: Option<&Agreed>,
        out: &mut Vec<u8>,
    ) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        accept(request.key(), out);
        out.extend_from_slice(b"\r\n");
        if let Some(protocol) = &self.protocol {
            put_field(out, "Sec-WebSocket-Protocol", protocol.as_bytes());
        }
        if let Some(agreed) = extension {
            let mut value = Vec::new();
            agreed.put_answer(&mut value);
            put_field(out, deflate::FIELD, &value);
        }
        out.extend_from_slice(&self.added.lines);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends what proves that a key was read: the value of `Sec-WebSocket-Accept` (RFC 6455 §4.2.2).
pub(in crate::proto) fn accept(key: &[u8], out: &mut Vec<u8>) {
    base64::encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize(), out);
}
