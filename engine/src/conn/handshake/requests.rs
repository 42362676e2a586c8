//! A server's connection and HTTP requests that are no upgrade: their bodies, the answers to them,
//! and when the next one is read.

use super::http::Http;
use crate::conn::clock::Clock;
use crate::conn::state::Expecting;
use crate::conn::{Connection, Env, Event, Failure, Reading};
use crate::proto::Input;
use crate::proto::body::{Body, Framing};
use crate::proto::handshake::{Refusal, Reply, Request};

/// RFC 9110 §15.2.1.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Connection {
    /// A head has come that asks for no upgrade.
    pub(super) fn begin_request(&mut self, request: &Request<'_>) {
        let wants = request.wants();
        match &mut self.rare().http {
            Some(http) => http.wants = wants,
            none => *none = Some(Box::new(Http::new(wants))),
        }
    }

    /// Goes on with a request under the limits of whoever is to answer it, which may be others than
    /// those that its head was read under. Gives the request back if all of it has come; else
    /// [`Event::Request`] comes again, with the body, within the handshake timeout. `None` also if
    /// the request was refused: the limits say that there are none, or its body is too large. Does
    /// nothing unless [`Event::Request`] was the last event.
    pub fn await_body<'b>(
        &mut self,
        request: Request<'b>,
        env: &mut Env<'_>,
    ) -> Option<Request<'b>> {
        if self.expecting != Expecting::Upgrade || request.is_upgrade() {
            return Some(request);
        }
        if !env.limits.requests {
            self.reject(&no_requests(), env);
            return None;
        }
        if request.is_complete() {
            return Some(request);
        }
        let framing = request.framing();
        if matches!(framing, Framing::Length(len) if len > u64::from(env.limits.body_max)) {
            self.reject(&Refusal::new(413), env);
            return None;
        }
        if request.expects_continue() {
            self.outbox.answer(CONTINUE, env.pool);
        }
        if let Some(http) = self.http_mut() {
            http.coming = Some((request.into_owned(), Body::new(framing)));
            self.expecting = Expecting::Body;
        }
        None
    }

    pub(in crate::conn) fn receive_body<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        let max = usize::try_from(env.limits.body_max).unwrap_or(usize::MAX);
        let Some(http) = self.http_mut() else { return Ok(None) };
        let Some((_, body)) = &mut http.coming else { return Ok(None) };
        match body.receive(input, max) {
            Ok(false) => Ok(None),
            Ok(true) => {
                let come = http.coming.take();
                self.expecting = Expecting::Upgrade;
                Ok(come.map(|(request, body)| Event::Request(request.with_body(body.into_kept()))))
            }
            Err(refusal) => {
                input.take(usize::MAX);
                Err(self.reject(&refusal, env))
            }
        }
    }

    /// Answers a request that is no upgrade. If the peer wants it and `keep_alive` says so, the
    /// next one is read, after this answer; else the disposition becomes `Finish`. Does nothing
    /// unless [`Event::Request`] was the last event, brought such a request and has not been
    /// answered.
    pub fn reply(&mut self, reply: &Reply, keep_alive: bool, env: &mut Env<'_>) {
        if !self.begin_answer() {
            return;
        }
        let Some(http) = self.http_mut() else { return };
        http.wants.keep_alive &= keep_alive;
        http.between = true;
        let wants = http.wants;
        let mut answer = env.pool.get();
        reply.encode(wants, &mut answer);
        self.outbox.answer(&answer, env.pool);
        env.pool.put(answer);
        if !wants.keep_alive {
            return self.finish("", env);
        }
        self.expecting = Expecting::Head;
        self.clock = Clock::new(env.now);
        // A peer that asks and does not read: no more is read of it until it has taken that.
        if self.outbox.buffered() > usize::try_from(env.limits.send_queue_max).unwrap_or(usize::MAX)
        {
            self.told_full();
            self.reading = Reading::Hold;
        }
    }

    /// The peer has taken enough of the answers that wait for it.
    #[cold]
    pub(in crate::conn) fn read_on(&mut self) {
        if self.reading == Reading::Hold && self.expecting == Expecting::Head {
            self.reading = Reading::Deliver;
        }
    }

    /// Whether no request is under way, though there was one.
    pub(crate) fn is_between_requests(&self) -> bool {
        self.http().is_some_and(|http| http.between)
    }

    /// Whether a request has come that is no upgrade, and the connection is not open.
    pub fn has_requests(&self) -> bool {
        self.http().is_some()
    }

    pub(in crate::conn) fn http(&self) -> Option<&Http> {
        self.rare.as_ref()?.http.as_deref()
    }

    pub(in crate::conn) fn http_mut(&mut self) -> Option<&mut Http> {
        self.rare.as_mut()?.http.as_deref_mut()
    }
}

/// What a server says that does nothing but WebSocket: to whom that may ask again, for an upgrade
/// (RFC 9110 §15.5.22).
pub(super) fn no_requests() -> Refusal {
    Refusal::new(426).because("no upgrade to WebSocket over HTTP/1.1 was asked for")
}
