//! The connections that are being made.

use super::address::Address;
use super::{SocketOptions, Token};
use std::collections::HashMap;

/// A connection that is being made.
pub(super) struct Attempt {
    /// Where to. In place until the operation has ended: boxed.
    pub(super) to: Box<Address>,
    /// Once it is there.
    pub(super) socket: Option<u32>,
    pub(super) cancelled: bool,
    /// What its socket is to be given.
    pub(super) socket_options: SocketOptions,
}

/// The connections that are being made.
#[derive(Default)]
pub(super) struct Attempts {
    pub(super) out: HashMap<Token, Attempt>,
    /// The settings of sockets so far, where the kernel finds them. A program has few different
    /// ones, so they are kept for good.
    #[expect(clippy::vec_box, reason = "the kernel reads them where they are")]
    settings: Vec<Box<SocketOptions>>,
}

impl Attempts {
    /// The same settings in a place where they stay.
    pub(super) fn keep(&mut self, settings: SocketOptions) -> &SocketOptions {
        let known = self.settings.iter().position(|known| **known == settings);
        let at = known.unwrap_or_else(|| {
            self.settings.push(Box::new(settings));
            self.settings.len() - 1
        });
        &self.settings[at]
    }
}
