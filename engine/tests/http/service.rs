//! A service that answers requests with what they are, and echoes messages.

use super::running::{at, reactors, start};
use ringws_engine::config::Endpoint;
use ringws_engine::conn::{Limits, SendFlags};
use ringws_engine::engine::Engine;
use ringws_engine::proto::handshake::Reply;
use ringws_engine::reactor::{Asked, Conn, Context, Handler, Message};
use ringws_kit::{PATIENCE, Socket, field, read_head, tcp};
use std::io::{Read, Write};
use std::net::TcpStream;

/// What the answer to `/large` has.
pub(crate) const LARGE: usize = 4 << 20;

pub(crate) struct Pages;

impl Handler for Pages {
    fn on_request(&self, _: &mut Context, asked: &Asked<'_>) -> Reply {
        let request = asked.request();
        let body = match &*request.path() {
            b"/nothing" => return Reply::new(204),
            b"/absent" => return Reply::new(404),
            b"/large" => vec![b'x'; LARGE],
            b"/body" => request.body().to_vec(),
            path => {
                let name = request.query_parameter("name").unwrap_or_default();
                let tags: Vec<&[u8]> =
                    request.headers().filter(|h| h.0 == "Tag").map(|h| h.1).collect();
                let head = format!("{} {} ", request.method(), request.target());
                [head.as_bytes(), path, b" ", &*name, b" ", &tags.join(&b'+')].concat()
            }
        };
        let mut reply = Reply::new(200).with_body(body);
        reply.add_header("Content-Type", b"text/plain").expect("a header");
        reply
    }

    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, SendFlags::default()).expect("room");
    }
}

pub(crate) fn serve(limits: Limits) -> (Engine, u16) {
    let limits = Limits { requests: true, ..limits };
    start(reactors(1), Endpoint { limits, ..at(Pages) })
}

/// A client that asks.
pub(crate) struct Asker<S = TcpStream>(pub(crate) S);

impl Asker {
    pub(crate) fn connect(port: u16) -> Self {
        Self(tcp(port))
    }

    /// Ends our direction.
    pub(crate) fn half_close(&self) {
        self.0.half_close();
    }
}

impl<S: Read + Write> Asker<S> {
    pub(crate) fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("a server that reads");
        self.0.flush().expect("a server that reads");
    }

    /// Asks for a target, in a request without a body.
    pub(crate) fn ask(&mut self, method: &str, target: &str) {
        self.say(&format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    }

    /// The next head.
    pub(crate) fn head(&mut self) -> String {
        read_head(&mut self.0).unwrap_or_else(|error| panic!("no answer in {PATIENCE:?}: {error}"))
    }

    /// The next answer: its status, its head and its body.
    pub(crate) fn answer(&mut self) -> (u16, String, Vec<u8>) {
        let head = self.head();
        let status = head[9..12].parse().expect("a status");
        let len = field(&head, "Content-Length").map_or(0, |len| len.parse().expect("a length"));
        let mut body = vec![0; len];
        self.0.read_exact(&mut body).expect("the whole body");
        (status, head, body)
    }

    /// Asks, and must be answered so.
    pub(crate) fn gets(&mut self, target: &str, status: u16, body: &str) {
        self.ask("GET", target);
        let (came, head, content) = self.answer();
        assert_eq!((came, String::from_utf8_lossy(&content).as_ref()), (status, body), "{head}");
    }

    /// Nothing more comes.
    pub(crate) fn ends(&mut self) {
        assert_eq!(ringws_kit::read_to_end(&mut self.0), b"", "nothing behind the last answer");
    }
}
