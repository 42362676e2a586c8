//! The header of a proxy: the same or a refusal however it is cut, and nothing behind it taken.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::proto::Input as Cursor;
use ringws_engine::proto::proxy::{BadProxyHeader, ProxyHeader, ProxyReader};
use ringws_fuzz::{Input, pieces};

/// Version 2 with the most that may follow its first 16 bytes.
const HEADER_MAX: usize = 16 + (4 << 10);

/// `None` while the header goes on.
fn read(how: u8, bytes: &[u8]) -> Option<Result<(ProxyHeader, usize), BadProxyHeader>> {
    let mut reader = ProxyReader::default();
    let mut come = 0;
    for piece in pieces(how, bytes) {
        come += piece.len();
        let mut piece = piece.to_vec();
        let mut cursor = Cursor::new(&mut piece);
        match reader.feed(&mut cursor) {
            Ok(Some(header)) => {
                let end = come - cursor.len();
                assert!(end <= HEADER_MAX && header.held() <= end);
                assert!(cursor.peek() == &bytes[end..come], "what is behind it stays as it is");
                for (kind, value) in header.tlvs() {
                    assert!(header.tlv(kind.into()).is_some_and(|first| first.len() <= end));
                    assert!(value.len() <= header.held());
                }
                return Some(Ok((header, end)));
            }
            Ok(None) => assert!(cursor.is_empty() && come < HEADER_MAX),
            Err(bad) => return Some(Err(bad)),
        }
    }
    None
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte().max(2);
    let bytes = input.rest();
    let whole = read(0, bytes);
    for other in [1, how] {
        assert_eq!(read(other, bytes), whole, "cut by {other}");
    }
});
