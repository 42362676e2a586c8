//! An application that does everything an application may do, and some things it may not.

use super::latest::{be_patient, send_latest};
use super::ledger::{Ledger, Shared};
use super::message::Whole;
use super::policy::Queue;
use super::publish::{join_or_leave, publish, publish_by_mail};
use super::sends::{pay, send, settle};
use super::{requests, timers, upgrades};
use crate::conn::{SendError, SendFlags};
use crate::proto::handshake::{Refusal, Reply};
use crate::proto::{CloseCode, Opcode};
use crate::reactor::{Asked, CallError, Closed, Conn, Context, Handler, Later, Message, Upgrade};
use std::time::Duration;

/// Pings of the application say this, so that its pongs can be told.
pub(super) const PING: &[u8] = b"application";

/// The handler of a simulated run.
pub(super) struct Chaos(pub(super) Shared);

impl Handler for Chaos {
    fn on_upgrade(&self, ctx: &mut Context, asked: &mut Upgrade<'_>) -> Result<(), Refusal> {
        upgrades::judge(&mut self.0.lock(), ctx, asked)
    }

    fn on_request(&self, ctx: &mut Context, asked: &Asked<'_>) -> Reply {
        requests::answer(&self.0, ctx, asked)
    }

    fn on_gone(&self, _: &mut Context, later: Later, user: usize) {
        let mut ledger = self.0.lock();
        if !requests::gone(&mut ledger, later) {
            upgrades::gone(&mut ledger, user);
        }
    }

    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        let mut ledger = self.0.lock();
        let client = upgrades::opened(&mut ledger, ctx, conn);
        ledger.opened(client, conn);
        if ledger.calm {
            be_patient(ctx, &mut ledger, conn, client);
        }
        for _ in 0..ledger.choices.below(4) {
            join_or_leave(ctx, &mut ledger, conn, client);
        }
        self.meddle(ctx, &mut ledger, conn, client, None);
    }

    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let mut ledger = self.0.lock();
        let client = ctx.user(conn).expect("an open connection");
        let Some(whole) = ledger.delivered(client, conn, &message) else { return };
        if ledger.calm {
            ledger.records[client].owed.push_back(whole);
            return pay(ctx, &mut ledger, conn, client);
        }
        if message.first && message.last && ledger.choices.chance(300) {
            self.retain(ctx, &mut ledger, conn, client, &message);
        }
        for _ in 0..ledger.choices.below(3) {
            self.meddle(ctx, &mut ledger, conn, client, Some(&whole));
        }
    }

    fn on_pong(&self, ctx: &mut Context, conn: Conn, payload: &[u8]) {
        let mut ledger = self.0.lock();
        let client = ctx.user(conn).expect("an open connection");
        ledger.called(client, conn);
        assert!(payload == PING || payload.is_empty(), "client {client}: a pong to no ping");
    }

    fn on_drain(&self, ctx: &mut Context, conn: Conn) {
        let mut ledger = self.0.lock();
        let client = ctx.user(conn).expect("an open connection");
        ledger.called(client, conn);
        pay(ctx, &mut ledger, conn, client);
        self.meddle(ctx, &mut ledger, conn, client, None);
    }

    fn on_close(&self, ctx: &mut Context, conn: Conn, closed: &mut Closed<'_>) {
        let mut ledger = self.0.lock();
        let client = ctx.user(conn).expect("user() answers inside on_close");
        ledger.closed(client, conn, closed);
        let sent = ctx.send(conn, Opcode::Text, b"", SendFlags::default());
        assert_eq!(sent, Err(CallError::Gone), "client {client}: a send inside on_close");
        if !ledger.calm {
            self.elsewhere(ctx, &mut ledger);
        }
    }
}

impl Chaos {
    /// One random call on a connection.
    fn meddle(
        &self,
        ctx: &mut Context,
        ledger: &mut Ledger,
        conn: Conn,
        client: usize,
        echo: Option<&Whole>,
    ) {
        if ledger.calm {
            return;
        }
        match ledger.choices.below(100) {
            0..30 => {
                let drawn = ledger.payload(false);
                send(ctx, ledger, conn, client, echo.unwrap_or(&drawn), false);
            }
            30..45 => self.fragment(ctx, ledger, conn, client),
            45..55 => self.pause(ctx, ledger, conn, client),
            55..60 => {
                // Only a pong that is still due may come later; none is promised.
                let _ = ctx.send(conn, Opcode::Ping, PING, SendFlags::default());
            }
            60..65 => misuse(ctx, conn),
            65..70 => send_latest(ctx, ledger, conn, client),
            70..97 => self.elsewhere(ctx, ledger),
            97..99 => self.close(ctx, ledger, conn, client),
            _ => {
                ledger.note(|| format!("client {client}: abort"));
                if ctx.abort(conn).is_ok() {
                    ledger.records[client].app_abort = true;
                }
            }
        }
    }

    fn close(&self, ctx: &mut Context, ledger: &mut Ledger, conn: Conn, client: usize) {
        let code = CloseCode(*ledger.choices.pick(&[1000, 1011, 3000, 4999]));
        ledger.note(|| format!("client {client}: close with {code:?}"));
        let first = ledger.records[client].app_close.is_none();
        match ctx.close(conn, code, "enough") {
            Ok(()) => {
                assert!(first, "client {client}: closed twice");
                ledger.records[client].app_close = Some(code);
            }
            Err(CallError::Gone | CallError::Send(SendError::Closing)) => {}
            Err(error) => panic!("client {client}: close refused with {error:?}"),
        }
    }

    fn fragment(&self, ctx: &mut Context, ledger: &mut Ledger, conn: Conn, client: usize) {
        let (opcode, payload) = ledger.payload(false);
        let more = ledger.choices.chance(500);
        let inside = ledger.records[client].building.is_some();
        // Fragments of text must be text together: each of these is by itself.
        let text = ledger.records[client].building.as_ref().map(|(opcode, _)| *opcode);
        let payload =
            if text.unwrap_or(opcode) == Opcode::Text { b"part".to_vec() } else { payload };
        let opcode = if inside { Opcode::Continuation } else { opcode };
        send(ctx, ledger, conn, client, &(opcode, payload), more);
    }

    fn retain(
        &self,
        ctx: &mut Context,
        ledger: &mut Ledger,
        conn: Conn,
        client: usize,
        message: &Message<'_>,
    ) {
        if message.first && message.last && ledger.choices.chance(500) {
            // As it came, from where it came.
            let queue = Queue::of(ctx, conn);
            let sent = ctx.send(conn, message.opcode, message.payload, SendFlags::default());
            queue.judge(ctx, ledger, client, false, sent);
            let whole = (message.opcode, message.payload);
            settle(ledger, client, whole, false, sent);
            return;
        }
        let outgoing = ctx.retain(message);
        let queue = Queue::of(ctx, conn);
        let sent = ctx.send_message(conn, &outgoing);
        queue.judge(ctx, ledger, client, false, sent);
        settle(ledger, client, (message.opcode, message.payload), false, sent);
        if ledger.choices.chance(500) {
            ledger.kept.push((outgoing, message.payload.to_vec()));
        }
        if ledger.choices.chance(200) {
            let at = ledger.choices.below(ledger.kept.len());
            release(ledger, at);
        }
    }

    fn pause(&self, ctx: &mut Context, ledger: &mut Ledger, conn: Conn, client: usize) {
        if ctx.pause(conn).is_err() {
            return;
        }
        let now = ledger.now;
        ledger.records[client].paused.get_or_insert(now);
        let delay = Duration::from_millis(*ledger.choices.pick(&[30, 1, 400]));
        timers::once(&self.0, ctx, ledger, delay, move |ctx, ledger| {
            if ctx.resume(conn).is_ok() {
                ledger.records[client].paused = None;
            }
        });
    }

    /// A random call that is not on the connection at hand.
    fn elsewhere(&self, ctx: &mut Context, ledger: &mut Ledger) {
        let Some((conn, client)) = ledger.any_conn() else { return };
        match ledger.choices.below(9) {
            0 => {
                let whole = ledger.payload(false);
                send(ctx, ledger, conn, client, &whole, false);
            }
            1 => {
                let delay = Duration::from_millis(ledger.choices.below(200) as u64);
                let chaos = Self(self.0.clone());
                timers::once(&self.0, ctx, ledger, delay, move |ctx, ledger| {
                    chaos.meddle(ctx, ledger, conn, client, None);
                });
            }
            2 => {
                let at = ledger.choices.below(ledger.timers.len());
                if let Some(&timer) = ledger.timers.get(at) {
                    // A cancelled pause ends with the chaos.
                    let cancelled = ctx.timer_cancel(timer);
                    ledger.timers_armed -= usize::from(cancelled);
                }
            }
            3 => mail(ctx.engine(), ledger, conn, client),
            4 => join_or_leave(ctx, ledger, conn, client),
            5 => publish(ctx, ledger),
            6 => publish_by_mail(ctx.engine(), ledger),
            7 => timers::repeated(&self.0, ctx, ledger),
            _ => {
                let chaos = Self(self.0.clone());
                post(ctx.engine(), ledger, &self.0, move |ctx, ledger| {
                    chaos.meddle(ctx, ledger, conn, client, None);
                });
            }
        }
    }
}

/// Sends by way of the mailbox, as another thread would.
pub(super) fn mail(
    engine: &crate::reactor::Handle,
    ledger: &mut Ledger,
    conn: Conn,
    client: usize,
) {
    let (opcode, payload) = ledger.payload(true);
    if engine.send(conn, opcode, &payload, SendFlags::default()).is_ok() {
        ledger.records[client].mailed.push_back((opcode, payload));
    }
}

/// Posts a job that must run exactly once if it is taken.
pub(super) fn post(
    engine: &crate::reactor::Handle,
    ledger: &mut Ledger,
    shared: &Shared,
    job: impl FnOnce(&mut Context, &mut Ledger) + Send + 'static,
) {
    let shared = shared.clone();
    let posted = engine.post(
        0,
        Box::new(move |ctx| {
            let mut ledger = shared.lock();
            ledger.jobs_run += 1;
            job(ctx, &mut ledger);
        }),
    );
    ledger.jobs_taken += usize::from(posted.is_ok());
}

/// Gives a retained message back: it must still say what it said.
pub(super) fn release(ledger: &mut Ledger, at: usize) {
    if at < ledger.kept.len() {
        let (outgoing, payload) = ledger.kept.swap_remove(at);
        assert!(outgoing.payload()[..] == payload[..], "a retained message has changed");
    }
}

/// Calls that must be refused, whatever the state of the connection.
fn misuse(ctx: &mut Context, conn: Conn) {
    let plain = SendFlags::default();
    assert!(ctx.send(conn, Opcode::Close, b"", plain).is_err());
    assert!(ctx.send(conn, Opcode::Ping, &[0; 126], plain).is_err());
    assert!(ctx.close(conn, CloseCode::ABNORMAL, "").is_err());
    assert!(ctx.close(conn, CloseCode::NO_STATUS, "why").is_err());
    assert!(ctx.close(conn, CloseCode::NORMAL, &"x".repeat(124)).is_err());
    assert!(ctx.send(Conn::from_bits(0), Opcode::Text, b"", plain).is_err());
    assert_eq!(ctx.abort(Conn::from_bits(u64::MAX)), Err(CallError::Gone));
}
