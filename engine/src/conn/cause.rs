//! What the end of a connection that was open has begun with: one table for the application, which
//! is told, and for the statistics, which count.

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $name:ident = $label:literal,)*) => {
        /// What the end of a connection that was open has begun with. What has come of it then, a
        /// closing handshake that was not completed for example, is told beside it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum Cause {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Cause {
            /// All, in their order.
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$name),*];

            /// Their names, in the same order.
            pub const NAMES: [&str; Self::ALL.len()] = [$($label),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// In a sentence.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+).trim_ascii(),)*
                }
            }
        }
    };
}

causes! {
    /// the peer has closed it
    PeerClose = "peer_close",
    /// closed by the application
    Close = "close",
    /// aborted by the application
    Abort = "abort",
    /// the engine stops, or is drained
    Stop = "stop",
    /// its lifetime was over
    Lifetime = "lifetime",
    /// no sign of life of the peer
    Silent = "silent",
    /// the peer has taken nothing of what was queued for it
    Stuck = "stuck",
    /// the peer has broken the protocol, or a limit
    Protocol = "protocol",
    /// the send queue was full, and its policy is to close or to end it
    Full = "full",
    /// a fragment that was handed over had to be dropped
    Fragment = "fragment",
    /// the memory of the engine was spent, and it held much of it
    Memory = "memory",
    /// the peer has ended the transport without a Close frame
    Ended = "ended",
    /// the transport was reset, or has broken under a send
    Reset = "reset",
    /// receiving or sending has failed otherwise
    Transport = "transport",
    /// TLS has failed
    Tls = "tls",
    /// its reactor could not go on
    Reactor = "reactor",
    /// a callback has panicked on its reactor
    Panic = "panic",
    /// another process serves it on
    PassedOn = "passed_on",
}

#[cfg(test)]
mod tests {
    use super::Cause;

    #[test]
    fn each_stands_where_its_number_says() {
        for (at, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!((cause as usize, cause.name()), (at, Cause::NAMES[at]));
            assert!(!cause.text().is_empty() && !cause.text().ends_with('.'), "{cause:?}");
        }
    }
}
