//! How connections end, and why they may.

use super::{Ledger, PROMPT_MS};
use crate::conn::{Failure, WhenFull};
use crate::proto::CloseCode;
use crate::reactor::{Closed, Conn, Drain, EndError};
use crate::sim::rules::LIFETIME_CODE;
use crate::tick::Tick;
use std::time::Duration;

/// How a drain counts an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum End {
    Closed,
    TimedOut,
    Aborted,
    Lost,
}

impl End {
    fn of(error: Option<&EndError>) -> Self {
        match error {
            None => Self::Closed,
            Some(EndError::Failure(Failure::TimedOut(_))) => Self::TimedOut,
            Some(EndError::Stopped) => Self::Aborted,
            Some(_) => Self::Lost,
        }
    }
}

impl Ledger {
    /// The engine is told to stop.
    pub(in crate::sim) fn stop(&mut self, grace: Duration) {
        self.note(|| format!("stop with a grace of {grace:?}"));
        self.stopping = true;
        self.closes_from = self.closes_from.min(self.now);
        let until = self.now + grace.as_millis() as Tick;
        self.stop_by = until + PROMPT_MS;
        // A deadline that has passed while the process was stopped is not taken back.
        if self.now < self.aborts_from {
            self.aborts_from = until;
        }
    }

    /// The engine is told to drain: nobody is closed before its time, nor cut off before the
    /// deadline.
    pub(in crate::sim) fn drain(&mut self, how: &Drain) {
        self.note(|| format!("{how:?}"));
        self.stopping = true;
        self.closes_from = self.now + how.serve.as_millis() as Tick;
        self.aborts_from = self.now + how.deadline.as_millis() as Tick;
        self.stop_by = self.aborts_from + PROMPT_MS;
        self.drain = Some((how.code, how.reason.clone()));
    }

    /// Whether a Close of a client's is what a stop or the drain sends, in its time.
    pub(in crate::sim) fn is_farewell(&self, code: CloseCode, payload: &[u8]) -> bool {
        let going_away = (CloseCode::GOING_AWAY, String::new());
        let (said, reason) = self.drain.as_ref().unwrap_or(&going_away);
        let as_told = code == *said && payload.get(2..) == Some(reason.as_bytes());
        self.is_closing() && as_told
    }

    /// Whether the engine may end whoever it wants.
    pub(in crate::sim) fn is_closing(&self) -> bool {
        self.stopping && self.now >= self.closes_from
    }

    pub(in crate::sim) fn closed(&mut self, client: usize, conn: Conn, closed: &Closed<'_>) {
        let Closed { info, error, unsent, unread, .. } = closed;
        self.note(|| format!("client {client}: {closed:?}"));
        self.cut_short += u64::from(*unsent > 0);
        self.left_unread += u64::from(*unread > 0);
        let heard = info.code != CloseCode::ABNORMAL;
        self.last_words += u64::from(heard && self.records[client].resets_behind_close);
        let (budget, stopping, rules) = (self.memory_max < u64::MAX, self.stopping, self.rules);
        self.ends.push(End::of(error.as_ref()));
        let record = self.called(client, conn);
        record.closed = true;
        record.topics.joined.clear();
        record.unsent = *unsent;
        record.sent_code = info.sent;
        record.cause = Some(closed.cause);
        if *error == Some(EndError::Failure(Failure::QueueFull)) {
            record.full_aborted = true;
            assert_eq!(info.sent, None, "client {client}: aborted, and closed");
            let aborts = rules.when_full == WhenFull::Abort;
            assert!(aborts, "client {client}: {:?} has ended it so", rules.when_full);
        }
        if info.code != CloseCode::ABNORMAL {
            // The peer's Close was processed, so all that came before it was delivered, or was not
            // wanted: that is told.
            let come: usize = record.sent.iter().map(|(_, payload)| payload.len()).sum();
            let begun = record.partial.as_ref().map_or(0, |(_, payload)| payload.len());
            let missing = (come - begun) as u64;
            assert!(missing <= *unread, "client {client}: {missing} bytes before its Close lost");
            assert_eq!(Some(info.code), record.client_close, "client {client}: another code");
        }
        let cut_off = match error {
            Some(
                EndError::Aborted | EndError::Stopped | EndError::Reactor(_) | EndError::Panicked,
            ) => true,
            // The wire broke, unless the peer itself has reset it behind its Close.
            Some(EndError::Receiving(_) | EndError::Sending(_)) => !record.resets_behind_close,
            // What came then was not looked at any more.
            Some(EndError::Failure(Failure::OutOfMemory | Failure::QueueFull)) => true,
            _ => false,
        };
        if let Some(EndError::Failure(Failure::OutOfMemory)) = error {
            record.shed = true;
            // What was with the kernel then may have left before the Close: that it held something
            // the reactor asserts itself.
            assert!(unread + unsent > 0 || info.sent.is_some(), "client {client}: held nothing");
            assert!(budget, "client {client}: closed without a budget");
            // Unless it was being closed already.
            if let (Some(sent), None, false) = (info.sent, record.app_close, stopping) {
                let aged = sent == LIFETIME_CODE && rules.lifetime_max < u32::MAX;
                assert!(aged || sent == CloseCode::TRY_AGAIN, "client {client}: another code");
            }
        }
        if record.close_arrives && !cut_off {
            assert_ne!(info.code, CloseCode::ABNORMAL, "client {client}: its Close was lost");
        }
        if *error == Some(EndError::Stopped) {
            assert!(self.now >= self.aborts_from, "client {client}: cut off too early");
        }
        let record = &self.records[client];
        if let Some(EndError::Failure(Failure::TimedOut(timeout))) = error {
            assert!(!record.healthy, "client {client}: healthy, and dropped: {timeout}");
        }
        if let (Some(code), Some(sent)) = (record.app_close, info.sent) {
            assert_eq!(sent, code, "client {client}: another code than the application's was sent");
        }
    }

    /// Whether there is a reason to answer a client with 503.
    pub(in crate::sim) fn is_turned_away(&mut self, client: usize, head: &str) -> bool {
        let busy = head.contains("\r\nRetry-After: ") && self.memory_max < u64::MAX;
        self.records[client].refused |= busy;
        busy || self.stopping
    }

    /// Whether a Close frame says that the connection ends for what it holds. That is dropped, and
    /// `closed` hears how much it was.
    pub(in crate::sim) fn is_shed(&mut self, client: usize, code: CloseCode) -> bool {
        let shed = code == CloseCode::TRY_AGAIN && self.memory_max < u64::MAX;
        self.records[client].shed |= shed;
        shed
    }
}
