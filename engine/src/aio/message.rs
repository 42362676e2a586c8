//! Messages with their payload by reference.

use crate::proto::Opcode;
use bytes::Bytes;

/// A whole message, Text or Binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    opcode: Opcode,
    payload: Bytes,
}

impl Message {
    /// A Text message.
    pub fn text(text: impl Into<String>) -> Self {
        Self { opcode: Opcode::Text, payload: Bytes::from(text.into()) }
    }

    /// A Binary message.
    pub fn binary(payload: impl Into<Bytes>) -> Self {
        Self { opcode: Opcode::Binary, payload: payload.into() }
    }

    /// One that was received: its text was checked.
    pub(super) fn received(opcode: Opcode, payload: Bytes) -> Self {
        Self { opcode, payload }
    }

    /// The text; `None` for a Binary message.
    pub fn as_text(&self) -> Option<&str> {
        let text = self.opcode == Opcode::Text;
        text.then(|| std::str::from_utf8(&self.payload).ok()).flatten()
    }

    /// Text or Binary.
    pub fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// The payload.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The payload, by value.
    pub fn into_payload(self) -> Bytes {
        self.payload
    }
}
