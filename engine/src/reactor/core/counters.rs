//! Counters of one reactor: written by its thread alone, read by any.
//!
//! One table has them all. A row is its comment, which is also its help in the text that Prometheus
//! reads, and its name; `: gauge` behind that if it also falls, `: most` if of several reactors the
//! largest counts; `by label in VALUES` if it is counted apart for each value of a label; and
//! `sums` with the name of such a row if it is all of that together, which is not counted again.
//! All that shows counters goes through [`ROWS`].

use super::counter::{By, Counter, Sum, Values};
use super::histogram::Histograms;
use super::labels::{CLOSE_CODES, CONTROLS, DATA, REFUSALS, STATES};
use crate::conn::Cause;
use crate::proto::VIOLATIONS;

/// How a number moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from 0 at the start.
    Counter,
    /// It is what is there now.
    Gauge,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As the field of [`Stats`].
    pub field: &'static str,
    /// As the text for Prometheus has it.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// What it is counted apart by; empty for one number.
    pub label: &'static str,
    /// The values of the label, one number each, in the order of `values`.
    pub label_values: &'static [&'static str],
    read: fn(&Stats) -> &[u64],
}

impl Row {
    /// Its numbers in a snapshot: one, or one for each value of the label.
    pub fn values(self, stats: &Stats) -> &[u64] {
        (self.read)(stats)
    }
}

macro_rules! kind {
    () => {
        Kind::Counter
    };
    (gauge) => {
        Kind::Gauge
    };
    (most) => {
        Kind::Gauge
    };
}

/// One number of two reactors.
macro_rules! join {
    ($to:expr, $from:expr) => {
        $to.add(&$from)
    };
    ($to:expr, $from:expr, gauge) => {
        $to.add(&$from)
    };
    ($to:expr, $from:expr, most) => {
        $to = $to.max($from)
    };
}

macro_rules! name {
    ($field:ident) => {
        concat!("ringws_", stringify!($field), "_total")
    };
    ($field:ident $kind:ident) => {
        concat!("ringws_", stringify!($field))
    };
}

macro_rules! seen {
    () => {
        u64
    };
    ($values:path) => {
        [u64; $values.len()]
    };
}

macro_rules! live {
    () => { Counter };
    (sums $of:ident) => { Sum };
    ($values:path) => { By<{ $values.len() }> };
}

/// What a row shows of the live counters.
macro_rules! get {
    ($counters:ident $name:ident) => {
        $counters.$name.get()
    };
    ($counters:ident $name:ident sums $of:ident) => {
        $counters.$name.of($counters.$of.get())
    };
}

macro_rules! label_values {
    () => {
        &[]
    };
    ($values:path) => {
        &$values
    };
}

macro_rules! counters {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident $(: $kind:ident)? $(sums $of:ident)? $(by $label:ident in $values:path)?
    ),* $(,)?) => {
        /// A snapshot. All counts since the start, except where it says "now".
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Stats {
            $($(#[doc = $doc])* pub $name: seen!($($values)?),)*
        }

        /// The live counters. On cache lines of their own: other threads only read.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub(crate) struct Counters {
            $(pub(crate) $name: live!($(sums $of)? $($values)?),)*
            /// What is measured rather than counted.
            pub(crate) histograms: Histograms,
        }

        impl Counters {
            /// Each counter is exact; together they are not one instant.
            pub(crate) fn snapshot(&self) -> Stats {
                Stats { $($name: get!(self $name $(sums $of)?),)* }
            }
        }

        impl std::ops::AddAssign for Stats {
            fn add_assign(&mut self, other: Self) {
                $(join!(self.$name, other.$name $(, $kind)?);)*
            }
        }

        /// All that is counted.
        pub static ROWS: &[Row] = &[$(Row {
            field: stringify!($name),
            name: name!($name $($kind)?),
            help: concat!($($doc),*).trim_ascii_start(),
            kind: kind!($($kind)?),
            label: concat!($(stringify!($label))?),
            label_values: label_values!($($values)?),
            read: |stats| stats.$name.all(),
        },)*];
    };
}

counters! {
    /// Connections now (from accept to close, whatever their state).
    connections: gauge,
    /// The same by where they stand.
    connections_by_state: gauge by state in STATES,
    /// Connections accepted.
    accepted,
    /// Connections that have come from elsewhere: those that the application has accepted and
    /// handed over, which are among `accepted`, and those that another reactor has moved here.
    adopted,
    /// Connections made: TCP connections, whatever came of them.
    connected,
    /// Tries of ours that opened no connection.
    connect_failed,
    /// Upgrades answered with 101.
    upgraded,
    /// Upgrades answered otherwise, and what is no request at all.
    refused,
    /// Connections that were never open, by why: the peer's request was not valid, or larger than
    /// `head_max`, or did not come in time; the page's origin, the handler, a stop or drain of
    /// ours, `memory_max`, the limit of an address or the rate of all was against it; its TLS
    /// failed; its proxy sent no PROXY header, or a bad one.
    refused_by_reason by reason in REFUSALS,
    /// HTTP requests, no upgrades, that the application has answered.
    requests,
    /// HTTP requests, no upgrades, that were refused without asking it: a broken body, a limit.
    requests_refused,
    /// Connections that failed by a violation of the protocol or a limit.
    violations,
    /// The same by what was broken.
    violations_by_kind by kind in VIOLATIONS,
    /// Connections that timed out.
    timeouts,
    /// Connections that were closed because `lifetime_max_ms` was over.
    lifetimes_over,
    /// Connections that were open and ended, by what that has begun with, as `on_close` is told.
    ends by cause in Cause::NAMES,
    /// The same whose closing handshake was not completed in time, whatever it was begun for.
    closes_unanswered,
    /// The same by the code of the peer's Close frame: 1005 if it had none, 1006 if none came.
    close_codes_received by code in CLOSE_CODES,
    /// The same by the code of the Close frame that we have sent.
    close_codes_sent by code in CLOSE_CODES,
    /// Messages delivered (parts count once each in stream mode).
    messages_in sums messages_in_by_opcode,
    /// The same by their opcodes. What goes on with a message in stream mode is a continuation;
    /// where whole messages are delivered, their fragments are not counted.
    messages_in_by_opcode by opcode in DATA,
    /// Payload bytes delivered.
    bytes_in,
    /// Messages queued to be sent (fragments count once each).
    messages_out sums messages_out_by_opcode,
    /// The same by their opcodes. A fragment that goes on with a message is a continuation.
    messages_out_by_opcode by opcode in DATA,
    /// Messages that newer ones of their key have replaced before they left.
    replaced,
    /// Control frames received.
    controls_in by opcode in CONTROLS,
    /// Control frames queued to be sent, those of the engine itself too.
    controls_out by opcode in CONTROLS,
    /// Messages that a policy has dropped in place of queueing them.
    dropped_newest,
    /// Messages that were queued, and that a policy has then dropped to make room, or because they
    /// had waited for too long.
    dropped_oldest,
    /// Connections that a policy has closed.
    closed_full,
    /// Connections that a policy has ended without a closing handshake.
    aborted_full,
    /// Bytes queued to be sent now, in queues of 4 KiB and more, which are looked at once a second.
    queued: gauge,
    /// The most of those that one connection has.
    queued_largest: most,
    /// Milliseconds for which the oldest message in such a queue has waited.
    queue_age_ms: most,
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
    topics: gauge,
    /// Messages published on topics that have members here.
    published,
    /// Times that a member did without such a message: its queue was full, or it was closed for
    /// that. What a policy has dropped is counted there.
    publish_dropped,
    /// Times that a member was passed over, because it was closing already.
    publish_closing,
    /// Publishes that nobody has got, because too much waited for this reactor.
    publish_refused,
    /// Times that accepting was paused for lack of descriptors or slots.
    accept_paused,
    /// Connections that were accepted here and went to a reactor with fewer, which counts them, or
    /// that `on_upgrade` has moved to another.
    handed_over,
    /// Open connections that were passed on to the process that succeeds this one.
    passed_on,
    /// Open connections that have come from the process before this one.
    taken_over,
    /// Open connections that were under way to a successor, and came back because that had failed.
    passed_back,
    /// Open connections that could not be passed on in time, and were drained.
    left_behind,
    /// Connections closed unheard: they came before a stop took effect, or the kernel had no memory
    /// for a socket that was handed over.
    accept_dropped,
    /// Times that a receive found no buffer and had to wait for one.
    buffers_exhausted,
    /// Turns of the loop.
    turns,
    /// Turns of a second or more: a callback has blocked, or the process was stopped.
    turns_long,
    /// Calls of `io_uring_enter(2)`, or of `epoll_wait(2)`.
    enters,
    /// Reactors that ask the kernel by epoll.
    epoll_reactors: gauge,
    /// Times that completions had no room in their queue and were fetched from the kernel.
    cq_overflow,
    /// TLS handshakes done, short ones too.
    tls_handshakes,
    /// TLS handshakes that failed, or did not end in time.
    tls_failed,
    /// TLS handshakes that resumed an earlier session.
    tls_resumed,
    /// Bytes now of the compressors and inflaters that connections have of their own.
    codec_memory: gauge,
    /// Compressed messages received.
    deflated_in,
    /// Bytes of compressed messages received, as they came.
    deflated_in_wire,
    /// Bytes that those became.
    deflated_in_plain,
    /// Messages sent compressed.
    deflated_out,
    /// Bytes of those, before.
    deflated_out_plain,
    /// Bytes that were not sent because of that.
    deflate_saved,
    /// Connections that had to share compressors, or decline compression, because that memory was
    /// spent.
    takeover_refused,
    /// Bytes held for peers now, which count against memory_max.
    memory: gauge,
    /// The most that those have been on each reactor.
    memory_peak: gauge,
    /// Connections that were closed because the budget was spent.
    budget_closed,
    /// Upgrades and other requests that were refused because little of it was left.
    budget_refused,
    /// Connections closed unheard: their address had as many as it may have.
    address_closed,
    /// Upgrades that were refused because their address had asked for too many in a short time.
    address_refused,
    /// Connections closed unheard: they came neither from a proxy of the endpoint, nor was anybody
    /// else to be served.
    strangers_closed,
    /// Members that came back to a topic with a history and missed nothing.
    history_resumed,
    /// Those that came too late, times that what one was to get had left the history, and members
    /// that may have missed something on their way from another process.
    history_late,
    /// Messages that members were sent from histories.
    history_replayed,
    /// Topics that have a history now; on the first reactor, for all.
    history_logs: gauge,
    /// Bytes of those.
    history_bytes: gauge,
    /// 1 while the bus to other machines is up, on the first reactor, as all that is counted of it.
    bus_up: gauge,
    /// Messages that went out to other machines.
    bus_sent,
    /// Messages that did not, because the bus was down: members there do without.
    bus_unsent,
    /// Publishes that were refused because too much waits for the bus.
    bus_refused,
    /// Messages of other machines that went to members here.
    bus_delivered,
    /// Messages of other machines that came twice, or too late.
    bus_known,
    /// Messages of our own that the bus has brought back.
    bus_own,
    /// Messages of other machines that were dropped, because too much waited for their members.
    bus_full,
    /// What the bus has brought and was no message of an engine.
    bus_malformed,
    /// Gaps that were found in what other machines publish.
    bus_gaps,
    /// Messages in these gaps, as far as they can be counted.
    bus_missing,
    /// Heartbeats and the like that went out to other machines.
    bus_signs,
    /// Topics that are published on for other machines now.
    bus_said: gauge,
    /// Publishers of other machines that are heard now, over all topics.
    bus_heard: gauge,
    /// Bytes that wait for the bus now.
    bus_queued: gauge,
    /// Connections to a NATS broker that has let us in: all but the first are reconnects.
    nats_connects,
    /// Frames that the NATS broker has brought: messages, heartbeats and the like.
    nats_frames_in,
    /// Bytes of these.
    nats_bytes_in,
    /// Frames that were queued for the NATS broker.
    nats_frames_out,
    /// Bytes of these.
    nats_bytes_out,
    /// What the NATS broker has refused (`-ERR`): subjects that are not allowed, say.
    nats_refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter that no row shows would make the snapshot larger than the rows are together.
    #[test]
    fn each_counter_has_a_row() {
        let numbers: usize = ROWS.iter().map(|row| row.values(&Stats::default()).len()).sum();
        assert_eq!(numbers * size_of::<u64>(), size_of::<Stats>());
    }
}
