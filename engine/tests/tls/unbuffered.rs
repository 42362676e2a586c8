//! rustls's client without its I/O.

use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};

/// What it says to what came, as far as it goes.
pub(crate) fn speak(conn: &mut UnbufferedClientConnection, incoming: &mut Vec<u8>) -> Vec<u8> {
    let mut said = Vec::new();
    loop {
        let UnbufferedStatus { discard, state, .. } = conn.process_tls_records(incoming);
        let more = match state.unwrap() {
            ConnectionState::EncodeTlsData(mut data) => {
                let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) else {
                    panic!("nothing to encode")
                };
                let at = said.len();
                said.resize(at + size.required_size, 0);
                data.encode(&mut said[at..]).unwrap();
                true
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                true
            }
            _ => false,
        };
        incoming.drain(..discard);
        if !more {
            return said;
        }
    }
}
