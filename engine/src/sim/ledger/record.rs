//! What is known of one client and its connection.

use crate::conn::Cause;
use crate::proto::CloseCode;
use crate::reactor::Conn;
use crate::sim::ask::{Answer, Question};
use crate::sim::keys::Keys;
use crate::sim::message::Whole;

use crate::sim::topics::Memberships;
use crate::tick::Tick;
use std::collections::VecDeque;

/// What is known of one client and its connection.
#[derive(Debug, Default)]
pub(in crate::sim) struct Record {
    pub(in crate::sim) conn: Option<Conn>,
    pub(in crate::sim) opened: bool,
    pub(in crate::sim) opened_at: Tick,
    /// Since when the engine ends it by Close frames.
    pub(in crate::sim) closing_at: Option<Tick>,
    /// Where it comes from, when it came, and since when its socket is closed.
    pub(in crate::sim) address: u8,
    pub(in crate::sim) connected_at: Option<Tick>,
    pub(in crate::sim) gone_at: Option<Tick>,
    /// Its queue ends it no more.
    pub(in crate::sim) patient: bool,
    /// When a send found its queue full, and the policy has ended it.
    pub(in crate::sim) full_at: Option<Tick>,
    /// It was told to have ended so, without a Close.
    pub(in crate::sim) full_aborted: bool,
    /// What its end has begun with.
    pub(in crate::sim) cause: Option<Cause>,
    /// With which code we have closed it.
    pub(in crate::sim) sent_code: Option<CloseCode>,
    pub(in crate::sim) closed: bool,
    /// The application refused the upgrade.
    pub(in crate::sim) refused: bool,
    /// Requests of the client, no upgrades, which the application has not heard yet, and answers
    /// that the client has not.
    pub(in crate::sim) asked: VecDeque<Question>,
    pub(in crate::sim) answers: VecDeque<Answer>,
    /// Sent by the client and not yet delivered, in order.
    pub(in crate::sim) sent: VecDeque<Whole>,
    /// Parts of the message under delivery, in stream mode.
    pub(in crate::sim) partial: Option<Whole>,
    /// Accepted from the application and not yet received by the client, in order.
    pub(in crate::sim) expected: VecDeque<Whole>,
    /// The same of what came by mail, which may be dropped on the way.
    pub(in crate::sim) mailed: VecDeque<Whole>,
    pub(in crate::sim) topics: Memberships,
    pub(in crate::sim) keys: Keys,
    /// When something was published last: it took messages.
    pub(in crate::sim) takes: bool,
    /// A message that the application sends in fragments.
    pub(in crate::sim) building: Option<Whole>,
    /// Echoes that found the queue full.
    pub(in crate::sim) owed: VecDeque<Whole>,
    /// Since when the application has paused it.
    pub(in crate::sim) paused: Option<Tick>,
    /// It resets the connection, or ends it without a Close: its pauses have no end.
    pub(in crate::sim) leaves: bool,
    /// It keeps to RFC 6455 and answers whatever it reads: nothing but the application ends it.
    pub(in crate::sim) healthy: bool,
    /// Its Close frame is on the wire, whole, and nothing but the peer's own reset has happened to
    /// that since.
    pub(in crate::sim) close_arrives: bool,
    /// It resets the connection as soon as its Close is on the wire.
    pub(in crate::sim) resets_behind_close: bool,
    /// Bytes that on_close said were not sent.
    pub(in crate::sim) unsent: u64,
    /// With which code the application began to close.
    pub(in crate::sim) app_close: Option<CloseCode>,
    /// With which code the client has closed, its own or the echo of the server's.
    pub(in crate::sim) client_close: Option<CloseCode>,
    pub(in crate::sim) app_abort: bool,
    /// Another thread has asked for the abort.
    pub(in crate::sim) app_abort_mailed: bool,
    /// It was closed for the memory that it held.
    pub(in crate::sim) shed: bool,
}
