//! A client's opening handshake: from the request to the server's answer, through a proxy if there
//! is one.

use super::deadline::Clock;
use super::inbound::Inbound;
use super::outbound::Outbox;
use super::state::Phase;
use super::{Connection, Env, Event, Failure};
use crate::proto::answer::{self, Expected, Verdict};
use crate::proto::deflate::Terms;
use crate::proto::head::HeadReader;
use crate::proto::{Ask, BadAnswer, Input, Role};
use crate::tick::Tick;
use std::sync::Arc;

/// Bytes that are kept of the body of an answer that refuses.
const BODY_MAX: usize = 1 << 10;

/// Answers that announce another one, before it is enough (RFC 9110 §15.2).
const INTERIM_MAX: u8 = 16;

/// What a client waits for before it is open.
#[derive(Debug)]
pub(super) struct Asked {
    reader: HeadReader,
    /// Whom it was asked of, and what.
    of: Of,
    /// How often another answer was announced.
    interim: u8,
    /// The answer refuses: its status, and the bytes of its body to come if that is known.
    refused: Option<(u16, Option<u64>)>,
    body: Vec<u8>,
}

#[derive(Debug)]
enum Of {
    /// A way through to the server.
    Proxy,
    /// The upgrade, with the key that was sent and the compression that was offered.
    Server(Arc<Ask>, Vec<u8>, Option<Terms>),
}

impl Asked {
    fn new(of: Of) -> Box<Self> {
        let (reader, body) = (HeadReader::new(), Vec::new());
        Box::new(Self { reader, of, interim: 0, refused: None, body })
    }

    fn failure(&self, answer: BadAnswer) -> Failure {
        match self.of {
            Of::Proxy => Failure::Proxy(answer),
            Of::Server(..) => Failure::Answer(answer),
        }
    }

    /// Takes bytes of a refusal's body. Whether that is all that is wanted.
    fn take_body(&mut self, input: &mut Input<'_>) -> bool {
        let Some((_, left)) = &mut self.refused else { return false };
        let known = left.map_or(BODY_MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let room = (BODY_MAX - self.body.len()).min(known);
        let come = input.take(room);
        self.body.extend_from_slice(come);
        *left = left.map(|left| left - come.len() as u64);
        self.body.len() == BODY_MAX || *left == Some(0)
    }
}

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
        connection.phase = Phase::Upgrade;
        connection
    }

    /// A client's end behind an HTTP proxy: `request` is queued, a `CONNECT`. When
    /// [`Event::Tunnel`] comes, go on with [`Connection::ask`].
    pub fn tunnel(request: &[u8], env: &mut Env<'_>) -> Self {
        let mut connection = Self::unasked(env.now);
        connection.outbox.answer(request, env.pool);
        connection.asked = Some(Asked::new(Of::Proxy));
        connection.phase = Phase::Head;
        connection
    }

    /// Asks the server on the other side of the proxy to upgrade. Does nothing unless
    /// [`Event::Tunnel`] was the last event, or nothing was asked yet.
    pub fn ask(&mut self, ask: &Arc<Ask>, env: &mut Env<'_>) {
        if self.phase != Phase::Upgrade {
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
        self.asked = Some(Asked::new(Of::Server(Arc::clone(ask), key, deflate)));
        self.phase = Phase::Head;
        self.clock = Clock::new(env.now);
    }

    fn receive_head_of<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &Env<'_>,
    ) -> Option<Result<Verdict<'b>, BadAnswer>> {
        let asked = self.asked.as_mut()?;
        let head_max = usize::try_from(env.limits.head_max).unwrap_or(usize::MAX);
        let head = match asked.reader.feed(input, head_max) {
            Ok(head) => head?,
            Err(refusal) if refusal.status == 431 => return Some(Err(BadAnswer::TooLong)),
            Err(_) => return Some(Err(BadAnswer::Malformed)),
        };
        Some(match &asked.of {
            Of::Proxy => answer::judge_proxy(&head),
            Of::Server(ask, key, deflate) => {
                answer::judge(head, &Expected { ask, key, deflate: *deflate })
            }
        })
    }

    /// Consumes the answer of the proxy or the server.
    pub(super) fn receive_answer<'b>(
        &mut self,
        input: &mut Input<'b>,
        env: &mut Env<'_>,
    ) -> Result<Option<Event<'b>>, Failure> {
        loop {
            if let Some(asked) = self.asked.as_mut().filter(|asked| asked.refused.is_some()) {
                if !asked.take_body(input) {
                    return Ok(None);
                }
                return Err(self.refused_by(BadAnswer::Body, input));
            }
            let Some(verdict) = self.receive_head_of(input, env) else { return Ok(None) };
            let Some(asked) = &mut self.asked else { return Ok(None) };
            match verdict {
                Ok(Verdict::Open(answer)) => {
                    if let Some(agreed) = answer.deflate
                        && self.take_up(agreed, Role::Client, env).is_none()
                    {
                        return Err(self.refused_by(BadAnswer::Extension, input));
                    }
                    self.asked = None;
                    self.phase = Phase::Open;
                    self.opened = true;
                    self.clock = Clock::new(env.now);
                    return Ok(Some(Event::Open(answer)));
                }
                Ok(Verdict::Tunnel) => {
                    self.asked = None;
                    self.phase = Phase::Upgrade;
                    return Ok(Some(Event::Tunnel));
                }
                Ok(Verdict::Interim) if asked.interim < INTERIM_MAX => asked.interim += 1,
                Ok(Verdict::Interim) => return Err(self.refused_by(BadAnswer::TooLong, input)),
                Ok(Verdict::Refused(status, len)) => asked.refused = Some((status, len)),
                Err(bad) => return Err(self.refused_by(bad, input)),
            }
        }
    }

    /// There will be no connection: nothing more is worth being sent.
    fn refused_by(&mut self, bad: BadAnswer, input: &mut Input<'_>) -> Failure {
        input.take(usize::MAX);
        let failure = match &self.asked {
            Some(asked) => self.cut_short().unwrap_or_else(|| asked.failure(bad)),
            None => Failure::Answer(bad),
        };
        self.give_up(Some(failure));
        failure
    }

    /// The refusal whose body is coming, or has come.
    pub(super) fn cut_short(&self) -> Option<Failure> {
        let asked = self.asked.as_ref()?;
        let (status, _) = asked.refused?;
        Some(asked.failure(BadAnswer::Status(status)))
    }

    /// The first bytes of the body of the answer that has refused, at most 1 KiB, as they came.
    pub fn refusal_body(&self) -> &[u8] {
        self.asked.as_ref().map_or(&[], |asked| &asked.body)
    }
}
