//! What a server answers to a request that is no upgrade.

use super::field::{Added, InvalidHeader, put_field};

/// An answer to an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// 200..=599. Anything else is sent as 500, without the body.
    pub status: u16,
    pub(super) added: Added,
    pub(super) body: Vec<u8>,
}

/// What the connection knows of a request that is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// The method is `HEAD`: no body is sent, but its length is told (RFC 9110 §9.3.2).
    pub head_only: bool,
    /// Another request may follow on the connection (RFC 9112 §9.3).
    pub keep_alive: bool,
}

impl Reply {
    /// Without a body.
    pub fn new(status: u16) -> Self {
        Self { status, added: Added::default(), body: Vec::new() }
    }

    /// With this body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a header, under the rules of [`Response::add_header`](super::Response::add_header).
    /// `Date`, `Content-Type` and all else that says what the body is are the application's.
    pub fn add_header(&mut self, name: &str, value: &[u8]) -> Result<(), InvalidHeader> {
        self.added.add(name, value)
    }

    /// Appends the whole answer.
    pub(crate) fn encode(&self, wants: Wants, out: &mut Vec<u8>) {
        let known = (200..=599).contains(&self.status);
        let (status, body) = if known { (self.status, &self.body[..]) } else { (500, &[][..]) };
        put_status(out, status);
        if !wants.keep_alive {
            put_field(out, "Connection", b"close");
        }
        out.extend_from_slice(&self.added.lines);
        // These have no body, whatever the method (RFC 9110 §8.6, §15.3.5, §15.4.5).
        let none = matches!(status, 204 | 304);
        if !none {
            put_field(out, "Content-Length", body.len().to_string().as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        if !none && !wants.head_only {
            out.extend_from_slice(body);
        }
    }
}

/// Appends the status line.
pub(super) fn put_status(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", phrase(status)).as_bytes());
}

/// The phrases of RFC 9110 §15, for those who read the wire; others are left empty.
pub(super) const fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(reply: &Reply, head_only: bool, keep_alive: bool) -> String {
        let mut out = Vec::new();
        reply.encode(Wants { head_only, keep_alive }, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn answers() {
        let mut reply = Reply::new(200).with_body("hi\n");
        reply.add_header("Content-Type", b"text/plain").expect("a header");
        for owned in ["Content-Length", "connection", "Transfer-Encoding", "Upgrade", "a b"] {
            assert_eq!(reply.add_header(owned, b"x"), Err(InvalidHeader), "{owned}");
        }
        assert_eq!(reply.add_header("X", b"a\r\nb: c"), Err(InvalidHeader));
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(encoded(&reply, false, true), format!("{head}hi\n"));
        assert_eq!(encoded(&reply, true, true), head);
        assert!(
            encoded(&reply, false, false).starts_with("HTTP/1.1 200 OK\r\nConnection: close\r\n")
        );
        assert_eq!(
            encoded(&Reply::new(404), false, true),
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        );
        for none in [204, 304] {
            let text = encoded(&Reply::new(none).with_body("x"), false, true);
            assert!(text.ends_with("\r\n\r\n") && !text.contains("Length"), "{text}");
        }
        for status in [0, 100, 101, 199, 600, u16::MAX] {
            let text = encoded(&Reply::new(status).with_body("x"), false, true);
            assert_eq!(text, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
        }
    }
}
