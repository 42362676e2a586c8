//! The codecs of other WebSocket libraries, each through its public API in the way that suits it
//! best, as cases beside those of `ringws_bench::codec`. Nothing here is about their servers.
//!
//! - `unmask`: `fastwebsockets::unmask`; `sockudo_ws::simd::apply_mask`. That of tungstenite is not
//!   public.
//! - `unmask-text`: the same, then `Frame::is_utf8` and `sockudo_ws::utf8::validate_utf8`, both of
//!   them `simdutf8`.
//! - `header-decode`: `tungstenite::protocol::frame::FrameHeader::parse`. The others have none that
//!   is public.
//! - `header-encode`: `FrameHeader::format`; `fastwebsockets::Frame::fmt_head`;
//!   `sockudo_ws::frame::encode_frame_header`.
//! - `stream-decode`: `tungstenite::WebSocket::read`; `fastwebsockets::WebSocket::read_frame`;
//!   `sockudo_ws::protocol::Protocol::process_into`, and for binary also `FrameParser::parse`.
//! - `frame-encode`: `tungstenite::protocol::frame::Frame::format`; `fastwebsockets::Frame::write`,
//!   which writes each frame over the last one; `sockudo_ws::frame::encode_frame`.
//! - `deflate`, `inflate`: `sockudo_ws::deflate`; and libdeflate, which uWebSockets is built with.
//!
//! All of them decode from a buffer of their own and none where the bytes lie, so the comparison
//! of whole frames is `stream-decode`: the copy into that buffer is part of it, for the engine as
//! well. It is a copy in memory: streams are slices, futures are always ready and polled without a
//! runtime, and buffers are as large as all that comes, so that one read takes it. What the copies
//! of messages cost that a library makes is its own.

pub mod deflate;
pub mod fastwebsockets;
pub mod sockudo;
pub mod tungstenite;

use ringws_bench::codec::{self, Case, Task};

/// All that can do `task`: the cases of the engine, then those of the peers.
pub fn cases(task: Task) -> Vec<Case> {
    let mut cases = codec::cases(task);
    cases.extend(tungstenite::cases(task));
    cases.extend(fastwebsockets::cases(task));
    cases.extend(sockudo::cases(task));
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_finds_all_frames_again_and_again() {
        for task in Task::all() {
            for mut case in cases(task) {
                for _ in 0..3 {
                    case.checked_pass();
                }
            }
        }
    }
}
