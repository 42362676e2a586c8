//! What a client waits for between its request and the answer that opens its connection.

use crate::conn::Failure;
use crate::proto::body::Body;
use crate::proto::deflate::Terms;
use crate::proto::head::HeadReader;
use crate::proto::{Answer, Ask, BadAnswer};
use std::sync::Arc;

/// What a client waits for before it is open.
#[derive(Debug)]
pub(in crate::conn) struct Asked {
    pub(super) reader: HeadReader,
    /// Whom it was asked of, and what.
    pub(super) of: Of,
    /// How often another answer was announced.
    pub(super) interim: u8,
    /// The answer that opens nothing.
    pub(super) answer: Option<Answer<'static>>,
    /// It refuses: its status, and its body.
    pub(super) refused: Option<(u16, Body)>,
}

#[derive(Debug)]
pub(super) enum Of {
    /// A way through to the server.
    Proxy,
    /// The upgrade, with the key that was sent and the compression that was offered.
    Server(Arc<Ask>, Vec<u8>, Option<Terms>),
}

impl Asked {
    pub(super) fn new(of: Of) -> Box<Self> {
        Box::new(Self { reader: HeadReader::new(), of, interim: 0, answer: None, refused: None })
    }

    pub(super) fn failure(&self, answer: BadAnswer) -> Failure {
        match self.of {
            Of::Proxy => Failure::Proxy(answer),
            Of::Server(..) => Failure::Answer(answer),
        }
    }
}
