//! `rws_stats`: the engine's counters.

use crate::constants::RWS_ANY_REACTOR;
use crate::guard::status;
use crate::own;
use crate::sized::{self, Sized};
use crate::status::rws_status;
use crate::types::rws_engine;
use ringws_engine::reactor::Stats;
use std::mem::offset_of;

/// all since the start, except connections, codec_memory, topics, memory, bus_up, bus_said,
/// bus_heard, bus_queued, history_logs, history_bytes, and queued* and queue_*
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_stats {
    /// RWS_INIT
    pub size: u32,
    /// of the engine, whomever is asked for
    pub reactors: u32,
    /// connections now, from accept to close
    pub connections: u64,
    /// connections accepted
    pub accepted: u64,
    /// upgrades answered with 101
    pub upgraded: u64,
    /// upgrades answered otherwise, and what is no HTTP request at all
    pub refused: u64,
    /// connections that broke the protocol or a limit
    pub violations: u64,
    /// connections that timed out
    pub timeouts: u64,
    /// messages delivered; with RWS_OPT_STREAM parts of them
    pub messages_in: u64,
    /// payload bytes delivered
    pub bytes_in: u64,
    /// messages queued to be sent; of those in fragments each counts, control frames do not
    pub messages_out: u64,
    /// bytes that the kernel has taken to send
    pub bytes_out: u64,
    /// received payload bytes that had to be copied
    pub bytes_copied: u64,
    /// messages kept by reference
    pub retained: u64,
    /// messages that rws_message_retain had to copy
    pub retain_copied: u64,
    /// calls that were handed over and then dropped: the connection had ended, was full, ...
    pub forward_dropped: u64,
    /// times that accepting paused for lack of descriptors or slots
    pub accept_paused: u64,
    /// connections closed unheard: accepted before a stop took effect
    pub accept_dropped: u64,
    /// times that a receive had to wait for a buffer
    pub buffers_exhausted: u64,
    /// turns of the loop
    pub turns: u64,
    /// TLS handshakes done, short ones too
    pub tls_handshakes: u64,
    /// TLS handshakes that failed, or did not end in time
    pub tls_failed: u64,
    /// TLS handshakes that resumed an earlier session
    pub tls_resumed: u64,
    /// TCP connections that rws_engine_connect made, whatever came of them
    pub connected: u64,
    /// tries that opened no connection
    pub connect_failed: u64,
    /// bytes of RWS_OPT_TAKEOVER contexts now
    pub codec_memory: u64,
    /// compressed messages received
    pub deflated_in: u64,
    /// messages sent compressed
    pub deflated_out: u64,
    /// bytes that were not sent because of that
    pub deflate_saved: u64,
    /// connections for which codec_memory_max left no context
    pub takeover_refused: u64,
    /// messages that newer ones of their key have replaced before they left (rws_send_latest,
    /// rws_publish_latest): those that did are not in messages_out
    pub replaced: u64,
    /// topics that have members now, on each reactor
    pub topics: u64,
    /// messages published, on each reactor that had members
    pub published: u64,
    /// times that a member did without: its queue was full (what a policy drops is in dropped_*
    /// instead), or it was closed for that, or its end came first. Not of one that was closing
    /// already, which is owed nothing: publish_closing
    pub publish_dropped: u64,
    /// publishes that nobody got: RWS_E_FULL
    pub publish_refused: u64,
    /// bytes that count against memory_max, now
    pub memory: u64,
    /// the most that it has been on each reactor
    pub memory_peak: u64,
    /// connections closed because memory_max was spent
    pub budget_closed: u64,
    /// upgrades and other requests answered with 503 because seven eighths of it were
    pub budget_refused: u64,
    /// connections closed unheard because of per_address_max
    pub address_closed: u64,
    /// upgrades answered with 429 because of upgrades_per_second
    pub address_refused: u64,
    /// turns of a second or more: a callback has blocked, or the process was stopped
    pub turns_long: u64,
    /// calls of io_uring_enter, or of epoll_wait
    pub enters: u64,
    /// times that completions had no room in their queue
    pub cq_overflow: u64,
    /// bytes of compressed messages received
    pub deflated_in_wire: u64,
    /// bytes that those became
    pub deflated_in_plain: u64,
    /// bytes of messages sent compressed, before; less deflate_saved: after
    pub deflated_out_plain: u64,
    /// HTTP requests that on_request has been called for and that were answered
    pub requests: u64,
    /// HTTP requests that were answered without it: no on_request, a body that is too large, ...
    pub requests_refused: u64,
    /// connections closed because lifetime_max_ms was over
    pub lifetimes_over: u64,
    /// messages not queued but dropped, published ones too: RWS_WHEN_FULL_DROP_NEWEST
    pub dropped_newest: u64,
    /// messages dropped after they were queued: RWS_WHEN_FULL_DROP_OLDEST; they are in
    /// messages_out, too
    pub dropped_oldest: u64,
    /// connections closed: RWS_WHEN_FULL_CLOSE
    pub closed_full: u64,
    /// connections ended: RWS_WHEN_FULL_ABORT
    pub aborted_full: u64,
    /// connections whose closing handshake was not completed in time, whatever it was begun for
    pub closes_unanswered: u64,
    /// connections closed unheard because they came from nobody of proxy_from
    pub strangers_closed: u64,
    /// times that a member of a topic was passed over, because it was closing already
    pub publish_closing: u64,
    /// bytes queued to be sent now, in queues of 4 KiB and more, which are looked at once a second
    pub queued: u64,
    /// the most of those that one connection has; of all reactors the largest
    pub queued_largest: u64,
    /// milliseconds for which the oldest message in such a queue has waited; of all the longest
    pub queue_age_ms: u64,
    /// connections that have come from elsewhere: by rws_engine_adopt, which are in accepted too,
    /// or from another reactor by rws_upgrade_move
    pub adopted: u64,
    /// connections that went to another reactor: RWS_ENDPOINT_LEAST_LOADED, rws_upgrade_move
    pub handed_over: u64,
    /// reactors that ask the kernel by epoll: see rws_engine_backend
    pub epoll_reactors: u64,
    /// 1 while the bus to other machines is up: see Machines
    pub bus_up: u64,
    /// messages that went out to other machines
    pub bus_sent: u64,
    /// messages that did not, because the bus was down: members there are told
    pub bus_unsent: u64,
    /// publishes that were refused because too much waits for the bus: RWS_E_FULL
    pub bus_refused: u64,
    /// messages of other machines that went to members here
    pub bus_delivered: u64,
    /// messages of other machines that came twice, or too late
    pub bus_known: u64,
    /// messages of our own that the bus has brought back
    pub bus_own: u64,
    /// messages of other machines dropped because too much waited for their members
    pub bus_full: u64,
    /// what the bus has brought and was no message of an engine
    pub bus_malformed: u64,
    /// gaps in what other machines publish: on_gap
    pub bus_gaps: u64,
    /// messages in these gaps, as far as they can be counted
    pub bus_missing: u64,
    /// heartbeats and the like that went out to other machines
    pub bus_signs: u64,
    /// topics that are published on for other machines, now
    pub bus_said: u64,
    /// publishers of other machines that are heard, over all topics, now
    pub bus_heard: u64,
    /// bytes that wait for the bus, now
    pub bus_queued: u64,
    /// members that came back to a topic with a history and missed nothing
    pub history_resumed: u64,
    /// Those that came too late, and times that one did without what had left the history, or may
    /// have missed something on the way from another process
    pub history_late: u64,
    /// messages that members were sent from histories
    pub history_replayed: u64,
    /// topics that have a history, now: looked at once a second
    pub history_logs: u64,
    /// bytes of those, now
    pub history_bytes: u64,
    /// connections to a NATS broker that has let us in: all but the first are reconnects
    pub nats_connects: u64,
    /// frames that the NATS broker has brought: messages, heartbeats and the like
    pub nats_frames_in: u64,
    /// their bytes
    pub nats_bytes_in: u64,
    /// frames that were queued for the NATS broker
    pub nats_frames_out: u64,
    /// their bytes
    pub nats_bytes_out: u64,
    /// what the NATS broker has refused, subjects that its permissions do not allow, say
    pub nats_refused: u64,
    /// open connections that went to the process that succeeds this one: rws_engine_hand_over
    pub passed_on: u64,
    /// open connections that have come from the process before: rws_engine_take_over
    pub taken_over: u64,
    /// open connections that were under way to a successor and came back
    pub passed_back: u64,
    /// open connections that were left when the others had gone, and were drained
    pub left_behind: u64,
}

// SAFETY: repr(C), begins with a u32, and zero is a valid value of each field.
unsafe impl Sized for rws_stats {
    const SIZE_MIN: usize = offset_of!(rws_stats, accepted);
}

/// The fields that both have.
macro_rules! same {
    ($reactors:ident, $stats:ident: $($name:ident),*) => {
        Self { size: 0, reactors: $reactors, $($name: $stats.$name,)* }
    };
}

impl rws_stats {
    fn new(reactors: u32, stats: Stats) -> Self {
        same!(
            reactors,
            stats:
            connections, accepted, upgraded, refused, violations, timeouts, messages_in,
            bytes_in, messages_out, bytes_out, bytes_copied, retained, retain_copied,
            forward_dropped, accept_paused, accept_dropped, buffers_exhausted, turns,
            tls_handshakes, tls_failed, tls_resumed, connected, connect_failed, codec_memory,
            deflated_in, deflated_out, deflate_saved, takeover_refused, replaced, topics,
            published, publish_dropped, publish_refused, memory, memory_peak, budget_closed,
            budget_refused, address_closed, address_refused, turns_long, enters, cq_overflow,
            deflated_in_wire, deflated_in_plain, deflated_out_plain, requests, requests_refused,
            lifetimes_over, dropped_newest, dropped_oldest, closed_full, aborted_full,
            closes_unanswered, strangers_closed, publish_closing, queued, queued_largest,
            queue_age_ms, adopted, handed_over, epoll_reactors, passed_on, taken_over,
            passed_back, left_behind, bus_up, bus_sent, bus_unsent, bus_refused, bus_delivered,
            bus_known, bus_own, bus_full, bus_malformed, bus_gaps, bus_missing, bus_signs, bus_said,
            bus_heard, bus_queued, history_resumed, history_late, history_replayed, history_logs,
            history_bytes, nats_connects, nats_frames_in, nats_bytes_in, nats_frames_out,
            nats_bytes_out, nats_refused
        )
    }
}

/// Of one reactor, or with RWS_ANY_REACTOR the sum of all; any time, in callbacks too. out: begin
/// with RWS_INIT. RWS_E_INVALID: no such reactor, or an out of an unknown size.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_stats(
    e: *mut rws_engine,
    reactor: u32,
    out: *mut rws_stats,
) -> rws_status {
    status(|| {
        // SAFETY: a live engine or null.
        let engine = unsafe { own::borrow(e) }?;
        let reactor = (reactor != RWS_ANY_REACTOR).then_some(reactor);
        let stats = engine.stats(reactor).ok_or(rws_status::RWS_E_INVALID)?;
        // SAFETY: null or a struct as its size says.
        unsafe { sized::write(out, rws_stats::new(engine.reactors(), stats)) }?;
        Ok(rws_status::RWS_OK)
    })
}
