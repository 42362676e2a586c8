//! A server's opening handshake: from the first byte of the HTTP head to the answer. Other requests
//! may come before it: see `requests`.

use super::requests::no_requests;
use crate::conn::clock::Clock;
use crate::conn::state::Expecting;
use crate::conn::{Connection, Env, Event, Failure, Reading};
use crate::proto::Input;
use crate::proto::handshake::{Refusal, Request, Response};
use crate::proto::head::HeadReader;
use crate::tick::Tick;

impl Connection {
    pub(in crate::conn) fn receive_head<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        let head_max = usize::try_from(env.limits.head_max).unwrap_or(usize::MAX);
        if self.is_between_requests() {
            // The time of the next one begins with its first byte.
            self.http_mut().into_iter().for_each(|http| http.between = false);
            self.clock.mark(env.now);
        }
        let head = match self.rare.as_mut().and_then(|rare| rare.head.as_deref_mut()) {
            Some(reader) => reader.feed(input, head_max),
            None => {
                let mut reader = HeadReader::new();
                let head = reader.feed(input, head_max);
                if !reader.is_empty() {
                    self.rare().head = Some(Box::new(reader));
                }
                head
            }
        };
        match head.and_then(|head| head.map(Request::parse).transpose()) {
            Ok(Some(request)) => {
                self.rare.as_mut().into_iter().for_each(|rare| rare.head = None);
                if !request.is_upgrade() {
                    self.begin_request(&request);
                    if !env.limits.requests {
                        input.take(usize::MAX);
                        return Err(self.reject(&no_requests(), env));
                    }
                }
                self.expecting = Expecting::Upgrade;
                Ok(Some(Event::Request(request)))
            }
            Ok(None) => Ok(None),
            Err(refusal) => {
                input.take(usize::MAX);
                env.tools.tally.refused(refusal.status);
                Err(self.reject(&refusal, env))
            }
        }
    }

    /// Answers the upgrade with 101: the connection is open. Does nothing unless
    /// [`Event::Request`] was the last event, brought an upgrade and has not been answered.
    pub fn accept(&mut self, request: &Request<'_>, response: &Response, env: &mut Env<'_>) {
        if !request.is_upgrade() || !self.begin_answer() {
            return;
        }
        let mut answer = env.pool.get();
        let extension = self.negotiate(request, env);
        response.encode_with(request, extension.as_ref(), &mut answer);
        self.outbox.answer(&answer, env.pool);
        env.pool.put(answer);
        self.begin_open(env);
    }

    /// It is open: its upgrade was answered with 101, here or, before anything was received, by
    /// somebody else, who has agreed on no extension.
    pub fn begin_open(&mut self, env: &mut Env<'_>) {
        self.end_opening();
        self.expecting = Expecting::Open;
        self.opened = true;
        self.reroute(env.limits);
        self.clock = Clock::new(env.now);
    }

    /// Answers the request with an error status; the disposition becomes `Finish`, and
    /// [`Failure::Handshake`] is held. Does nothing unless [`Event::Request`] was the last event
    /// and has not been answered.
    pub fn refuse(&mut self, refusal: &Refusal, env: &mut Env<'_>) {
        if self.begin_answer() {
            self.reject(refusal, env);
        }
    }

    /// The request is to be answered later: no more is read until then. Does nothing unless
    /// [`Event::Request`] was the last event and has not been answered.
    pub fn answer_later(&mut self) {
        if self.expecting == Expecting::Upgrade {
            (self.expecting, self.reading) = (Expecting::Answer, Reading::Hold);
        }
    }

    /// The same, and somebody else answers, once all that was queued before has been sent: that is
    /// told as the drain of a full queue.
    pub fn answer_elsewhere(&mut self) {
        self.answer_later();
        if self.outbox.buffered() > 0 {
            self.told_full();
        }
    }

    /// Since when a server waits for the head, where that was not here.
    pub fn begun_at(&mut self, at: Tick) {
        self.clock.mark(at);
    }

    /// Whether that was said, and the answer is still to come.
    pub fn awaits_answer(&self) -> bool {
        self.expecting == Expecting::Answer
    }

    /// Whether there is a request to answer. What was held back for its sake is read again.
    pub(in crate::conn) fn begin_answer(&mut self) -> bool {
        if self.awaits_answer() {
            (self.expecting, self.reading) = (Expecting::Upgrade, Reading::Deliver);
        }
        self.expecting == Expecting::Upgrade
    }

    pub(in crate::conn) fn reject(&mut self, refusal: &Refusal, env: &mut Env<'_>) -> Failure {
        let failure = Failure::Handshake(refusal.sent_status());
        let rare = self.rare();
        (rare.failure, rare.head) = (Some(failure), None);
        let mut head_only = false;
        if let Some(http) = &mut rare.http {
            (head_only, http.coming) = (http.wants.head_only, None);
        }
        let mut answer = env.pool.get();
        refusal.encode_for(head_only, &mut answer);
        self.outbox.answer(&answer, env.pool);
        env.pool.put(answer);
        self.finish("", env);
        failure
    }
}
