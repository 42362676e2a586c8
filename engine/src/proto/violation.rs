//! Every way a peer can break the protocol, and the close code each is answered with.

use super::close_code::CloseCode;

/// What the peer did wrong. The connection fails with [`Violation::close_code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Violation {
    /// RSV1–3 set without an extension that defines them (RFC 6455 §5.2).
    #[error("reserved bit set")]
    ReservedBits,
    /// Opcode 3–7 or 11–15 (RFC 6455 §5.2).
    #[error("reserved opcode")]
    ReservedOpcode,
    /// A length in more bytes than it needs (RFC 6455 §5.2).
    #[error("payload length not in its minimal form")]
    NonMinimalLength,
    /// The most significant bit of a 64-bit length is set (RFC 6455 §5.2).
    #[error("payload length over 2^63 - 1")]
    LengthOverflow,
    /// A control frame of more than 125 bytes (RFC 6455 §5.5).
    #[error("control frame longer than 125 bytes")]
    ControlTooLong,
    /// A control frame without FIN (RFC 6455 §5.5).
    #[error("fragmented control frame")]
    ControlFragmented,
    /// A client frame without a mask (RFC 6455 §5.1).
    #[error("unmasked frame from a client")]
    Unmasked,
    /// A server frame with a mask (RFC 6455 §5.1).
    #[error("masked frame from a server")]
    Masked,
    /// A Continuation with nothing to continue (RFC 6455 §5.4).
    #[error("continuation of no message")]
    UnexpectedContinuation,
    /// A new message inside an unfinished one (RFC 6455 §5.4).
    #[error("new message inside a fragmented one")]
    ExpectedContinuation,
    /// Text that is not UTF-8 (RFC 6455 §8.1).
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A Close payload of one byte (RFC 6455 §5.5.1).
    #[error("close frame with a payload of one byte")]
    TruncatedCloseCode,
    /// A close code that must not be sent (RFC 6455 §7.4).
    #[error("close code not allowed on the wire")]
    InvalidCloseCode,
    /// A close reason that is not UTF-8 (RFC 6455 §5.5.1).
    #[error("close reason is not UTF-8")]
    InvalidCloseReason,
    /// A compressed message that cannot be inflated (RFC 7692 §7.2.2).
    #[error("malformed compressed data")]
    MalformedDeflate,
    /// A message larger than `message_max`.
    #[error("message over the size limit")]
    MessageTooBig,
    /// A message of more fragments than `fragments_max`.
    #[error("message of too many fragments")]
    TooManyFragments,
}

/// All of them by name, in the order above.
pub const VIOLATIONS: [&str; 17] = [
    "reserved_bits",
    "reserved_opcode",
    "non_minimal_length",
    "length_overflow",
    "control_too_long",
    "control_fragmented",
    "unmasked",
    "masked",
    "unexpected_continuation",
    "expected_continuation",
    "invalid_utf8",
    "truncated_close_code",
    "invalid_close_code",
    "invalid_close_reason",
    "malformed_deflate",
    "message_too_big",
    "too_many_fragments",
];

impl Violation {
    /// Where it stands among [`VIOLATIONS`].
    pub const fn place(self) -> usize {
        self as usize
    }

    /// The one table from violation to close code (RFC 6455 §7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::InvalidUtf8 | Self::InvalidCloseReason | Self::MalformedDeflate => {
                CloseCode::INVALID_DATA
            }
            Self::MessageTooBig => CloseCode::TOO_BIG,
            Self::TooManyFragments => CloseCode::POLICY,
            _ => CloseCode::PROTOCOL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_violation_has_its_name() {
        for (violation, name) in [
            (Violation::ReservedBits, "reserved_bits"),
            (Violation::InvalidUtf8, "invalid_utf8"),
            (Violation::TooManyFragments, "too_many_fragments"),
        ] {
            assert_eq!(VIOLATIONS[violation.place()], name);
        }
    }
}
