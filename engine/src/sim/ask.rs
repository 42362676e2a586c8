//! Requests that are no upgrades, and their answers.

use crate::proto::handshake::Reply;

/// What a client has asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) target: String,
    pub(super) body: Vec<u8>,
}

/// What it must be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn reply(&self) -> Reply {
        Reply::new(self.status).with_body(self.body.clone())
    }
}
