//! Close codes, RFC 6455 §7.4.

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
    /// The service restarts: come again (IANA's registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// Try again later: the server is overloaded.
    pub const TRY_AGAIN: Self = Self(1013);
}

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
