//! The sending direction of a session.

use super::error::Alert;
use super::record::{PLAIN_MAX, Step, Write, write};
use super::session::Session;
use super::session::Side;
use crate::memory::{Batch, Pool};
use std::io::IoSlice;

/// Pieces of a batch that are looked at together.
const SLICES: usize = 16;

impl Session {
    /// Writes to the output.
    fn put(&mut self, what: Write<'_>) -> Result<(), Alert> {
        loop {
            // It must see again what it has not done with.
            let window = self.carry.get_mut(..self.seen).unwrap_or_default();
            let (discard, step) = match &mut self.side {
                Side::Server(conn) => {
                    write(conn.process_tls_records(window), what, &mut self.output)
                }
                Side::Client(conn) => {
                    write(conn.process_tls_records(window), what, &mut self.output)
                }
            };
            self.carry.drain(..discard);
            self.seen -= discard;
            match step {
                Step::Again => {}
                Step::Blocked => return Ok(()),
                // All that came was taken in before, and the peer's end was noted.
                Step::Ended | Step::Plain(_) => return Err(Alert("closed".into())),
                Step::Failed(error) => {
                    self.fail(&error);
                    self.carry.clear();
                    self.seen = 0;
                    return Err(Alert(error.to_string()));
                }
            }
        }
    }

    /// Encrypts the first bytes of a batch, at most `most`, into the output. Returns how many.
    /// What is small is one record, with the pieces that it consists of.
    ///
    /// # Errors
    /// The session has ended.
    pub fn encrypt(&mut self, batch: &Batch, most: usize, pool: &mut Pool) -> Result<usize, Alert> {
        if let Some(failure) = self.failure() {
            return Err(failure.clone());
        }
        if self.closed || !self.established {
            return Err(Alert("not open".into()));
        }
        self.open_output(pool);
        if let Some(bytes) = batch.contiguous() {
            let bytes = bytes.get(..most).unwrap_or(bytes);
            return self.put(Write::Data(bytes)).map(|()| bytes.len());
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = batch.slices(&mut slices);
        let mut record = pool.get();
        let mut taken = 0;
        let mut outcome = Ok(());
        for slice in slices.iter().take(count) {
            let mut rest = slice.get(..most - taken).unwrap_or(slice);
            taken += rest.len();
            while !rest.is_empty() && outcome.is_ok() {
                let (now, later) = rest.split_at(rest.len().min(PLAIN_MAX - record.len()));
                rest = later;
                if record.is_empty() && now.len() == PLAIN_MAX {
                    outcome = self.put(Write::Data(now));
                    continue;
                }
                record.extend_from_slice(now);
                if record.len() == PLAIN_MAX {
                    outcome = self.put(Write::Data(&record));
                    record.clear();
                }
            }
        }
        if !record.is_empty() && outcome.is_ok() {
            outcome = self.put(Write::Data(&record));
        }
        pool.put(record);
        outcome.map(|()| taken)
    }

    /// Puts a close_notify into the output, once: nothing is sent behind it. The peer can tell by
    /// it that it has all (RFC 8446 §6.1).
    pub fn close(&mut self, pool: &mut Pool) {
        if !self.closed && self.failure().is_none() && self.established {
            self.open_output(pool);
            // If it cannot be made, the session has ended already.
            let _ = self.put(Write::CloseNotify);
        }
        self.closed = true;
    }

    fn open_output(&mut self, pool: &mut Pool) {
        if self.output.capacity() == 0 {
            self.output = pool.get();
        }
    }

    /// Whether there is something to be sent.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// What is to be sent, in the order of the calls.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output))
    }
}
