//! A server's opening handshake: from the first byte of the HTTP head to the answer.

use crate::conn::clock::Clock;
use crate::conn::state::Expecting;
use crate::conn::{Connection, Env, Event, Failure};
use crate::proto::Input;
use crate::proto::handshake::{Refusal, Request, Response};
use crate::proto::head::HeadReader;

impl Connection {
    pub(in crate::conn) fn receive_head<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        let head_max = usize::try_from(env.limits.head_max).unwrap_or(usize::MAX);
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
                self.end_opening();
                self.expecting = Expecting::Upgrade;
                Ok(Some(Event::Upgrade(request)))
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
    /// [`Event::Upgrade`] was the last event and has not been answered.
    pub fn accept(&mut self, request: &Request<'_>, response: &Response, env: &mut Env<'_>) {
        if self.expecting != Expecting::Upgrade {
            return;
        }
        let mut answer = env.pool.get();
        let extension = self.negotiate(request, env);
        response.encode_with(request, extension.as_ref(), &mut answer);
        self.outbox.answer(&answer, env.pool);
        env.pool.put(answer);
        self.expecting = Expecting::Open;
        self.opened = true;
        self.clock = Clock::new(env.now);
    }

    /// Answers the upgrade with an error status; the disposition becomes `Finish`, and
    /// [`Failure::Handshake`] is held. Does nothing unless [`Event::Upgrade`] was the last event
    /// and has not been answered.
    pub fn refuse(&mut self, refusal: &Refusal, env: &mut Env<'_>) {
        if self.expecting == Expecting::Upgrade {
            self.reject(refusal, env);
        }
    }

    pub(in crate::conn) fn reject(&mut self, refusal: &Refusal, env: &mut Env<'_>) -> Failure {
        // What is sent for a status that is none.
        let status = if (400..=599).contains(&refusal.status) { refusal.status } else { 500 };
        let failure = Failure::Handshake(status);
        let rare = self.rare();
        (rare.failure, rare.head) = (Some(failure), None);
        let mut answer = env.pool.get();
        refusal.encode(&mut answer);
        self.outbox.answer(&answer, env.pool);
        env.pool.put(answer);
        self.finish("", env);
        failure
    }
}
