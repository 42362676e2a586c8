//! Header fields that are written.

use crate::proto::field;

/// Fields that the handshake or the connection writes itself, beside all of `Sec-WebSocket-*`.
const OWNED: [&str; 6] =
    ["Connection", "Content-Length", "Content-Type", "Trailer", "Transfer-Encoding", "Upgrade"];

/// A header or subprotocol that may not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a header that may be sent here")]
pub struct InvalidHeader;

pub(super) fn add_field(
    fields: &mut Vec<u8>,
    name: &str,
    value: &[u8],
) -> Result<(), InvalidHeader> {
    let prefix = name.get(.."Sec-WebSocket-".len()).unwrap_or_default();
    let owned = prefix.eq_ignore_ascii_case("Sec-WebSocket-")
        || OWNED.iter().any(|owned| owned.eq_ignore_ascii_case(name));
    if owned || !field::is_token(name.as_bytes()) || !field::is_value(value) {
        return Err(InvalidHeader);
    }
    put_field(fields, name, value);
    Ok(())
}

/// Appends a whole line.
pub(in crate::proto) fn put_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}
