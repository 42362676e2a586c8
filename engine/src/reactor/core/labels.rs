//! The values of the labels by which counters are apart, and where each thing stands among them.

use crate::conn::TALLIED;
use crate::proto::Opcode;

/// Where connections stand. The end of a connection that is open begins with the first Close frame,
/// either way, or with whatever else ends it, and is over when its socket is closed.
pub(crate) const STATES: [&str; 3] = ["handshaking", "open", "closing"];
pub(crate) const HANDSHAKING: usize = 0;
pub(crate) const OPEN: usize = 1;
pub(crate) const CLOSING: usize = 2;

/// Why upgrades were refused. The first of them are told by connections.
pub(crate) const REFUSALS: [&str; 11] = [
    "bad_request",
    "too_large",
    "timeout",
    "origin",
    "handler",
    "stopping",
    "memory",
    "address",
    "rate",
    "tls",
    "proxy",
];
pub(crate) const BY_ORIGIN: usize = 3;
pub(crate) const BY_HANDLER: usize = 4;
pub(crate) const BY_STOP: usize = 5;
pub(crate) const BY_MEMORY: usize = 6;
pub(crate) const BY_ADDRESS: usize = 7;
pub(crate) const BY_RATE: usize = 8;
#[cfg(feature = "tls")]
pub(crate) const BY_TLS: usize = 9;
pub(crate) const BY_PROXY: usize = 10;

/// Control frames, RFC 6455 §5.5.
pub(crate) const CONTROLS: [&str; TALLIED] = ["close", "ping", "pong"];

/// Data frames, RFC 6455 §5.6, in the order of their opcodes.
pub(crate) const DATA: [&str; 3] = ["continuation", "text", "binary"];
const CONTINUATION: usize = 0;
pub(crate) const TEXT: usize = 1;
pub(crate) const BINARY: usize = 2;

/// Where a frame stands among those; control frames do not.
#[inline(always)]
pub(crate) fn place_of_data(opcode: Opcode) -> Option<usize> {
    match opcode {
        Opcode::Continuation => Some(CONTINUATION),
        Opcode::Text => Some(TEXT),
        Opcode::Binary => Some(BINARY),
        _ => None,
    }
}

/// Where what is delivered of a message stands, its first part or another.
#[inline(always)]
pub(crate) fn place_of_part(opcode: Opcode, first: bool) -> usize {
    match opcode {
        _ if !first => CONTINUATION,
        Opcode::Binary => BINARY,
        _ => TEXT,
    }
}

/// Close codes, RFC 6455 §7.4; those of §7.4.2 by their thousands.
pub(crate) const CLOSE_CODES: [&str; 20] = [
    "1000", "1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1009", "1010", "1011",
    "1012", "1013", "1014", "1015", "3xxx", "4xxx", "other", "none",
];

/// Where a code stands among those; 0 is none.
pub(crate) fn place_of_code(code: u16) -> usize {
    match code {
        1000..=1015 => usize::from(code - 1000),
        3000..=3999 => 16,
        4000..=4999 => 17,
        0 => 19,
        _ => 18,
    }
}
