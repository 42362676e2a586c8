//! Close codes and the payload of a Close frame, RFC 6455 §5.5.1 and §7.4.

use super::Violation;
use super::header::CONTROL_MAX;

/// A close code as it stands on the wire, or one of the two that never do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The endpoint goes away: a server stops, a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// Protocol error.
    pub const PROTOCOL: Self = Self(1002);
    /// A kind of data that cannot be accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// A Close frame without a code: it came so, or is to be sent so.
    pub const NO_STATUS: Self = Self(1005);
    /// Reported only: the transport ended without a Close frame.
    pub const ABNORMAL: Self = Self(1006);
    /// Data inconsistent with its type: text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// A policy was broken.
    pub const POLICY: Self = Self(1008);
    /// A message too big to process.
    pub const TOO_BIG: Self = Self(1009);
    /// An unexpected condition in the server.
    pub const INTERNAL: Self = Self(1011);
}

/// The longest reason: a control payload less the code.
pub const REASON_MAX: usize = CONTROL_MAX - 2;

impl CloseCode {
    /// Whether it may stand in a Close frame: those RFC 6455 §7.4.1 and the IANA registry define
    /// for the wire, those registered for libraries (3000–3999) and the private ones (4000–4999).
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Whether a Close frame can say it, with that reason: there is none without a code
    /// (RFC 6455 §5.5.1).
    pub const fn can_say(self, reason: &str) -> bool {
        self.is_sendable() || self.0 == Self::NO_STATUS.0 && reason.is_empty()
    }
}

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
