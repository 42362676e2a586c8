//! A message framed once and sent many times.

use crate::proto::Opcode;
use bytes::Bytes;

/// An immutable outgoing message: its header and its payload by reference. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Outgoing {}

impl Outgoing {
    /// Frames `payload` as one unmasked frame with FIN. Text is not checked here.
    pub fn new(_opcode: Opcode, _payload: Bytes) -> Self {
        unimplemented!()
    }
    /// What it carries.
    pub fn opcode(&self) -> Opcode {
        unimplemented!()
    }
    /// The payload.
    pub fn payload(&self) -> &Bytes {
        unimplemented!()
    }
    /// The frame header that goes before the payload.
    pub fn header(&self) -> &[u8] {
        unimplemented!()
    }
}
