//! Close codes and the payload of a Close frame, RFC 6455 §5.5.1 and §7.4.

/// A close code as it stands on the wire, or one of the two that are only ever reported.
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
    /// Reported only: a Close frame without a code came.
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
