//! Counters of one reactor: written by its thread alone, read by any.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A snapshot. All counts since the start, except where it says "now".
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The live counters. On cache lines of their own: other threads only read.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            /// Each counter is exact; together they are not one instant.
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: self.$name.get(),)* }
            }
        }

        impl std::ops::AddAssign for Stats {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Connections now (from accept to close, whatever their state).
    connections,
    /// Connections accepted.
    accepted,
    /// Connections made: TCP connections, whatever came of them.
    connected,
    /// Tries of ours that opened no connection.
    connect_failed,
    /// Upgrades answered with 101.
    upgraded,
    /// Upgrades answered otherwise.
    refused,
    /// Connections that failed by a violation of the protocol or a limit.
    violations,
    /// Connections that timed out.
    timeouts,
    /// Messages delivered (parts count once each in stream mode).
    messages_in,
    /// Payload bytes delivered.
    bytes_in,
    /// Messages queued to be sent.
    messages_out,
    /// Messages that newer ones of their key have replaced before they left.
    replaced,
    /// Bytes that the kernel has taken to send.
    bytes_out,
    /// Received payload bytes that had to be copied.
    bytes_copied,
    /// Messages kept by reference.
    retained,
    /// Messages that `retain` had to copy.
    retain_copied,
    /// Calls handed over by other threads and then dropped: their connection was gone, full, or
    /// refused them.
    forward_dropped,
    /// Topics that have members here, now.
    topics,
    /// Messages published on topics that have members here.
    published,
    /// Times that a member refused such a message: its queue was full, or it was closing.
    publish_dropped,
    /// Publishes that nobody has got, because too much waited for this reactor.
    publish_refused,
    /// Times that accepting was paused for lack of descriptors or slots.
    accept_paused,
    /// Connections closed unheard: accepted before a stop took effect.
    accept_dropped,
    /// Times that a receive found no buffer and had to wait for one.
    buffers_exhausted,
    /// Turns of the loop.
    turns,
    /// TLS handshakes done, short ones too.
    tls_handshakes,
    /// TLS handshakes that failed, or did not end in time.
    tls_failed,
    /// TLS handshakes that resumed an earlier session.
    tls_resumed,
    /// Bytes now of the compressors and inflaters that connections have of their own.
    codec_memory,
    /// Compressed messages received.
    deflated_in,
    /// Messages sent compressed.
    deflated_out,
    /// Bytes that were not sent because of that.
    deflate_saved,
    /// Connections that had to share compressors, or decline compression, because that memory was
    /// spent.
    takeover_refused,
}

/// A counter with one writer: no locked instruction.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }
    /// The same, by any thread: for a counter that is written in no other way.
    pub(crate) fn add_from_any_thread(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
    pub(crate) fn sub(&self, n: u64) {
        self.0.store(self.get().wrapping_sub(n), Ordering::Relaxed);
    }
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
