//! Messages of a run.

use crate::proto::Opcode;

/// A whole message.
pub(super) type Whole = (Opcode, Vec<u8>);
