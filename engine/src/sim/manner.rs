//! The manners of simulated clients.

use crate::proto::CloseCode;
use crate::ring::sim::Choices;

/// How a client behaves. All but the first are within the rights of a peer on the open internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Keeps to RFC 6455.
    Healthy,
    /// Sends something that must fail the connection with this code.
    Violates(Violation),
    /// Stops reading and writing for good.
    Vanishes,
    /// Resets the connection.
    Resets,
    /// Sends its Close and resets the connection behind it.
    ClosesAndResets,
    /// Ends its direction without a Close frame and reads on.
    HalfCloses,
    /// Never completes its request.
    NeverAsks,
    /// Sends a request that is not an upgrade.
    AsksBadly,
}

impl Manner {
    /// Most keep to RFC 6455.
    pub(super) fn draw(choices: &mut Choices) -> Self {
        let violation = *choices.pick(&Violation::ALL);
        let manners = [
            Self::Healthy,
            Self::Violates(violation),
            Self::Vanishes,
            Self::Resets,
            Self::ClosesAndResets,
            Self::HalfCloses,
            Self::NeverAsks,
            Self::AsksBadly,
        ];
        if choices.chance(300) { *choices.pick(&manners) } else { Self::Healthy }
    }
}

/// What a violating client sends, and the code it must be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) bytes: &'static [u8],
    pub(super) code: CloseCode,
}

impl Violation {
    const fn new(code: CloseCode, bytes: &'static [u8]) -> Self {
        Self { bytes, code }
    }

    /// Frames that no connection survives, masked with zeros unless that is their fault.
    pub(super) const ALL: [Self; 9] = [
        Self::new(CloseCode::PROTOCOL, b"\x81\x05hello"),
        Self::new(CloseCode::PROTOCOL, b"\x83\x80\0\0\0\0"),
        Self::new(CloseCode::PROTOCOL, b"\xC1\x80\0\0\0\0"),
        Self::new(CloseCode::PROTOCOL, b"\x82\xFE\0\x05\0\0\0\0"),
        Self::new(CloseCode::PROTOCOL, b"\x89\xFE\0\x7E\0\0\0\0"),
        Self::new(CloseCode::PROTOCOL, b"\x80\x80\0\0\0\0"),
        Self::new(CloseCode::PROTOCOL, b"\x88\x82\0\0\0\0\x03\xED"),
        Self::new(CloseCode::INVALID_DATA, b"\x81\x82\0\0\0\0\xC3\x28"),
        Self::new(CloseCode::TOO_BIG, b"\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0\0\0"),
    ];
}
