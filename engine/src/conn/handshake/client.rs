//! A client's opening handshake: from the request to the server's answer, through a proxy if there
//! is one.

use super::asked::{Asked, Of};
use crate::conn::clock::Clock;
use crate::conn::receive::part::Inbound;
use crate::conn::send::outbox::Outbox;
use crate::conn::state::Expecting;
use crate::conn::{Connection, Env, Event, Failure};
use crate::proto::answer::{self, Expected, Verdict};
use crate::proto::body::Body;
use crate::proto::head::Head;
use crate::proto::{Answer, Ask, BadAnswer, Input, Role};
use crate::tick::Tick;
use std::sync::Arc;

/// Bytes that are kept of the body of an answer that refuses.
const BODY_MAX: usize = 1 << 10;

/// Answers that announce another one, before it is enough (RFC 9110 §15.2).
const INTERIM_MAX: u8 = 16;

/// The head of an answer, and what it means.
type Judged<'b> = (Head<'b>, Result<Verdict, BadAnswer>);

impl Connection {
    /// A client's end, which asks a server to upgrade: the request is queued, with a key of its
    /// own (RFC 6455 §4.1, 7). [`Event::Open`] follows, or a failure, within the handshake timeout.
    pub fn client(ask: &Arc<Ask>, env: &mut Env<'_>) -> Self {
        let mut connection = Self::unasked(env.now);
        connection.ask(ask, env);
        connection
    }

    /// A client's end that is still to [`ask`](Connection::ask), within the handshake timeout.
    pub fn unasked(now: Tick) -> Self {
        let mut connection = Self::server(now);
        connection.inbound = Inbound::new(Role::Client);
        connection.outbox = Outbox::new(Role::Client);
        connection.expecting = Expecting::Upgrade;
        connection
    }

    /// A client's end behind an HTTP proxy: `request` is queued, a `CONNECT`. When
    /// [`Event::Tunnel`] comes, go on with [`Connection::ask`].
    pub fn tunnel(request: &[u8], env: &mut Env<'_>) -> Self {
        let mut connection = Self::unasked(env.now);
        connection.outbox.answer(request, env.pool);
        connection.rare().asked = Some(Asked::new(Of::Proxy));
        connection.expecting = Expecting::Head;
        connection
    }

    /// Asks the server on the other side of the proxy to upgrade. Does nothing unless
    /// [`Event::Tunnel`] was the last event, or nothing was asked yet.
    pub fn ask(&mut self, ask: &Arc<Ask>, env: &mut Env<'_>) {
        if self.expecting != Expecting::Upgrade {
            return;
        }
        let mut nonce = [0; 16];
        for part in nonce.chunks_exact_mut(4) {
            part.copy_from_slice(&env.tools.keys.next_key());
        }
        let mut request = env.pool.get();
        let deflate = self.offered(env);
        let key = ask.encode(nonce, deflate.as_ref(), &mut request);
        self.outbox.answer(&request, env.pool);
        env.pool.put(request);
        self.rare().asked = Some(Asked::new(Of::Server(Arc::clone(ask), key, deflate)));
        self.expecting = Expecting::Head;
        self.clock = Clock::new(env.now);
    }

    fn receive_head_of<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &Env<'_>,
    ) -> Result<Option<Judged<'b>>, BadAnswer> {
        let Some(asked) = self.asked_mut() else { return Ok(None) };
        let head_max = usize::try_from(env.limits.head_max).unwrap_or(usize::MAX);
        let head = asked.reader.feed(input, head_max).map_err(|refusal| match refusal.status {
            431 => BadAnswer::TooLong,
            _ => BadAnswer::Malformed,
        })?;
        Ok(head.map(|head| {
            let verdict = match &asked.of {
                Of::Proxy => answer::judge_proxy(&head),
                Of::Server(ask, key, deflate) => {
                    answer::judge(&head, &Expected { ask, key, deflate: *deflate })
                }
            };
            (head, verdict)
        }))
    }

    /// Consumes the answer of the proxy or the server.
    pub(in crate::conn) fn receive_answer<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        loop {
            if let Some((status, body)) = self.asked_mut().and_then(|a| a.refused.as_mut()) {
                let status = BadAnswer::Status(*status);
                return match body.take(input, BODY_MAX) {
                    true => Err(self.refused_by(status, input)),
                    false => Ok(None),
                };
            }
            let (head, verdict) = match self.receive_head_of(input, env) {
                Ok(Some(judged)) => judged,
                Ok(None) => return Ok(None),
                Err(bad) => return Err(self.refused_by(bad, input)),
            };
            let Some(asked) = self.asked_mut() else { return Ok(None) };
            match verdict {
                Ok(Verdict::Open(agreed)) => {
                    if let Some(agreed) = agreed
                        && self.take_up(agreed, Role::Client, env).is_none()
                    {
                        return Err(self.refused_by(BadAnswer::Extension, input));
                    }
                    self.end_opening();
                    self.expecting = Expecting::Open;
                    self.opened = true;
                    self.reroute(env.limits);
                    self.clock = Clock::new(env.now);
                    return Ok(Some(Event::Open(Answer::new(head))));
                }
                Ok(Verdict::Tunnel) => {
                    self.end_opening();
                    self.expecting = Expecting::Upgrade;
                    return Ok(Some(Event::Tunnel));
                }
                Ok(Verdict::Interim) if asked.interim < INTERIM_MAX => asked.interim += 1,
                Ok(Verdict::Interim) => return Err(self.refused_by(BadAnswer::TooLong, input)),
                Ok(Verdict::Refused(status, framing)) => {
                    asked.answer = Some(Answer::new(head).into_owned());
                    asked.refused = Some((status, Body::new(framing)));
                }
                Err(bad) => {
                    asked.answer = Some(Answer::new(head).into_owned());
                    return Err(self.refused_by(bad, input));
                }
            }
        }
    }

    /// There will be no connection: nothing more is worth being sent.
    fn refused_by(&mut self, bad: BadAnswer, input: &mut Input<'_>) -> Failure {
        input.take(usize::MAX);
        let failure = match self.asked() {
            Some(asked) => self.cut_short().unwrap_or_else(|| asked.failure(bad)),
            None => Failure::Answer(bad),
        };
        self.give_up(Some(failure));
        failure
    }

    /// The refusal whose body is coming, or has come.
    pub(in crate::conn) fn cut_short(&self) -> Option<Failure> {
        let asked = self.asked()?;
        let (status, _) = asked.refused.as_ref()?;
        Some(asked.failure(BadAnswer::Status(*status)))
    }

    /// The answer that has opened nothing, if one came, and the first bytes of its body, at most
    /// 1 KiB, without what frames them.
    pub fn take_refusal(&mut self) -> (Option<Answer<'static>>, Vec<u8>) {
        let asked = self.rare.as_mut().and_then(|rare| rare.asked.take());
        let Some(asked) = asked else { return (None, Vec::new()) };
        (asked.answer, asked.refused.map_or_else(Vec::new, |(_, body)| body.into_kept()))
    }
}
