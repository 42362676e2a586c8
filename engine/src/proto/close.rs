//! The payload of a Close frame, RFC 6455 §5.5.1.

use super::close_code::CloseCode;
use super::header::CONTROL_MAX;
use super::violation::Violation;

/// The longest reason: a control payload less the code.
pub const REASON_MAX: usize = CONTROL_MAX - 2;

/// Reads the payload of a Close frame: the code, `None` when it is empty, and the reason.
///
/// # Errors
/// [`Violation::TruncatedCloseCode`], [`Violation::InvalidCloseCode`],
/// [`Violation::InvalidCloseReason`].
pub fn parse(payload: &[u8]) -> Result<(Option<CloseCode>, &str), Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload.is_empty() {
            true => Ok((None, "")),
            false => Err(Violation::TruncatedCloseCode),
        };
    };
    let code = CloseCode(u16::from_be_bytes(*code));
    if !code.is_sendable() {
        return Err(Violation::InvalidCloseCode);
    }
    let reason = std::str::from_utf8(reason).map_err(|_| Violation::InvalidCloseReason)?;
    Ok((Some(code), reason))
}

/// Writes the payload of a Close frame and returns its length: 0 for [`CloseCode::NO_STATUS`]. A
/// reason over [`REASON_MAX`] bytes is cut at a character; whether code and reason may be sent is
/// the caller's to check.
pub fn encode(code: CloseCode, reason: &str, out: &mut [u8; CONTROL_MAX]) -> usize {
    if code == CloseCode::NO_STATUS {
        return 0;
    }
    let reason = reason.get(..reason.floor_char_boundary(REASON_MAX)).unwrap_or_default();
    let (head, tail) = out.split_at_mut(2);
    head.copy_from_slice(&code.0.to_be_bytes());
    tail.iter_mut().zip(reason.bytes()).for_each(|(to, from)| *to = from);
    2 + reason.len()
}
