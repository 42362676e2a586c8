//! Sockets with shutdowns out.

use super::{Socket, Token};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A socket with shutdowns out.
#[derive(Debug, Default)]
pub(super) struct Shutting {
    pub(super) out: u32,
    pub(super) close: Option<Token>,
}

/// The sockets with shutdowns out. Few at any time.
#[derive(Debug, Default)]
pub(super) struct Closing(pub(super) HashMap<u32, Shutting>);

impl Closing {
    /// A shutdown is on its way.
    pub(super) fn shutdown(&mut self, socket: Socket) {
        self.0.entry(socket.0).or_default().out += 1;
    }

    /// A shutdown has ended. The close that was waiting for it may go now.
    pub(super) fn ended(&mut self, socket: Socket) -> Option<Token> {
        let Entry::Occupied(mut entry) = self.0.entry(socket.0) else { return None };
        let shutting = entry.get_mut();
        shutting.out -= 1;
        if shutting.out > 0 { None } else { entry.remove().close }
    }

    /// Whether a socket may be closed now. If not, `ended` will say when.
    pub(super) fn may_close(&mut self, socket: Socket, token: Token) -> bool {
        match self.0.get_mut(&socket.0) {
            None => true,
            Some(shutting) => {
                shutting.close = Some(token);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_waits_for_all_shutdowns() {
        let (mut closing, socket) = (Closing::default(), Socket(3));
        let token = Token { slot: 1, generation: 1 };
        assert!(closing.may_close(socket, token));
        closing.shutdown(socket);
        closing.shutdown(socket);
        assert!(!closing.may_close(socket, token));
        assert_eq!(closing.ended(socket), None);
        assert_eq!(closing.ended(socket), Some(token));
        assert!(closing.may_close(socket, token));
        assert!(closing.0.is_empty());
    }
}
