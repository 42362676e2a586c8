//! An upgrade request: the same request or refusal however it is cut, and answers that are sound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringws_engine::proto::Input as Cursor;
use ringws_engine::proto::handshake::{Refusal, Request, Response};
use ringws_engine::proto::head::HeadReader;
use ringws_fuzz::{Input, pieces};

const HEAD_MAX: usize = 1024;

/// What was read of a request.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    method: String,
    path: Vec<u8>,
    /// The parameter `a` of the query.
    parameter: Option<Vec<u8>>,
    is_complete: bool,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    protocols: Vec<String>,
    answer: Vec<u8>,
}

fn see(request: &Request<'_>) -> Seen {
    let mut response = Response::default();
    let protocols: Vec<String> = request.protocols().map(str::to_owned).collect();
    for name in &protocols {
        response.set_protocol(request, name).expect("a protocol that was offered");
    }
    assert!(response.set_protocol(request, "not offered").is_err());
    // Whatever came from the peer may be tried as a header of the answer: it must not split it.
    for (name, value) in request.headers() {
        let _ = response.add_header(name, value);
    }
    let mut answer = Vec::new();
    if request.is_upgrade() {
        response.encode(request, &mut answer);
    } else {
        answer.extend_from_slice(b"\r\n\r\n");
    }
    let ends = answer.windows(4).filter(|four| four == b"\r\n\r\n").count();
    assert!(ends == 1 && answer.ends_with(b"\r\n\r\n"), "{}", answer.escape_ascii());
    let owned = |(name, value): (&str, &[u8])| (name.to_owned(), value.to_owned());
    let headers = request.headers().map(owned).collect();
    let (method, path) = (request.method().to_owned(), request.path().into_owned());
    let parameter = request.query_parameter("a").map(|value| value.into_owned());
    assert!(path.len() <= request.target().len());
    Seen {
        method,
        path,
        parameter,
        is_complete: request.is_complete(),
        target: request.target().to_owned(),
        headers,
        protocols,
        answer,
    }
}

/// `None` while the head goes on.
fn read(how: u8, bytes: &[u8]) -> Option<Result<(Seen, usize), Refusal>> {
    let mut reader = HeadReader::new();
    let mut come = 0;
    for piece in pieces(how, bytes) {
        come += piece.len();
        let mut piece = piece.to_vec();
        let mut cursor = Cursor::new(&mut piece);
        match reader.feed(&mut cursor, HEAD_MAX) {
            Ok(Some(head)) => {
                let end = come - cursor.len();
                assert!(end <= HEAD_MAX && head.as_bytes() == &bytes[..end]);
                return Some(Request::parse(head).map(|request| (see(&request), end)));
            }
            Ok(None) => assert!(cursor.is_empty() && come < HEAD_MAX),
            Err(refusal) => return Some(Err(refusal)),
        }
    }
    None
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let how = input.byte().max(2);
    let bytes = input.rest();
    let whole = read(0, bytes);
    if let Some(Err(refusal)) = &whole {
        assert!((400..=599).contains(&refusal.status));
    }
    for other in [1, how] {
        assert_eq!(read(other, bytes), whole, "cut by {other}");
    }
});
