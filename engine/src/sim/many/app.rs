//! An application on several reactors: from each of them it calls what is on another.

use super::ledger::{Ledger, PROBE, SERVED, Shared, TOPICS};
use crate::conn::{Queued, SendError, SendFlags};
use crate::memory::Outgoing;
use crate::proto::handshake::{Refusal, Reply};
use crate::proto::{CloseCode, Opcode};
use crate::reactor::{
    CallError, Closed, Conn, Context, Handle, Handler, Later, LaterError, Message, TopicError,
    Upgrade,
};
use std::time::Duration;

/// Beside the number of a peer: its upgrade was left for later.
const LATER: usize = 1 << 31;
/// A job runs within so many milliseconds of its post: reactors sleep, and wake-ups come late.
const SOON_MS: u64 = 600;

/// The handler of a run.
#[derive(Clone)]
pub(super) struct App {
    pub(super) shared: Shared,
}

impl Handler for App {
    fn on_upgrade(&self, ctx: &mut Context, asked: &mut Upgrade<'_>) -> Result<(), Refusal> {
        let mut ledger = self.shared.lock();
        let peer = asked.request().target().trim_start_matches('/').parse();
        let peer: usize = peer.expect("the number of a peer");
        asked.set_user(peer);
        if !ledger.calm && ledger.choices.chance(300) {
            asked.set_user(peer | LATER);
            let later = asked.later().expect("for the first time");
            ledger.laters.insert(later, peer);
            self.answer_from_elsewhere(ctx, &mut ledger, later, peer);
        }
        Ok(())
    }

    fn on_gone(&self, _: &mut Context, later: Later, user: usize) {
        let mut ledger = self.shared.lock();
        let peer = ledger.laters.remove(&later).expect("told once");
        assert_eq!(user, peer | LATER);
        assert!(!ledger.records[peer].opened, "peer {peer}: gone, and open");
        ledger.records[peer].refused = true;
    }

    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        let mut ledger = self.shared.lock();
        let user = ctx.user(conn).expect("an open connection");
        let peer = user & !LATER;
        if user & LATER != 0 {
            let mine = |(later, of): (&Later, &usize)| (*of == peer).then_some(*later);
            let later = ledger.laters.iter().find_map(mine).expect("left for later");
            ledger.laters.remove(&later);
            ctx.set_user(conn, peer).expect("an open connection");
        }
        ledger.opened(peer, conn);
        for _ in 0..ledger.choices.below(4) {
            join_or_leave(ctx, &mut ledger, conn, peer);
        }
        self.meddle(ctx, &mut ledger);
    }

    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let mut ledger = self.shared.lock();
        let peer = ctx.user(conn).expect("an open connection");
        if message.payload == PROBE {
            ledger.records[peer].owed = true;
            return pay(ctx, &mut ledger, conn, peer);
        }
        for _ in 0..ledger.choices.below(3) {
            self.meddle(ctx, &mut ledger);
        }
        if !ledger.calm && ledger.choices.chance(300) {
            join_or_leave(ctx, &mut ledger, conn, peer);
        }
    }

    fn on_drain(&self, ctx: &mut Context, conn: Conn) {
        let mut ledger = self.shared.lock();
        let peer = ctx.user(conn).expect("an open connection");
        pay(ctx, &mut ledger, conn, peer);
    }

    fn on_close(&self, ctx: &mut Context, conn: Conn, closed: &mut Closed<'_>) {
        let mut ledger = self.shared.lock();
        let peer = ctx.user(conn).expect("user() answers inside on_close");
        ledger.closed(peer, closed);
        ledger.ended_draining += u64::from(ctx.draining);
        self.meddle(ctx, &mut ledger);
    }
}

fn pay(ctx: &mut Context, ledger: &mut Ledger, conn: Conn, peer: usize) {
    if ledger.records[peer].owed {
        let sent = ctx.send(conn, Opcode::Text, SERVED.as_bytes(), SendFlags::default());
        ledger.records[peer].owed = sent == Err(CallError::Send(SendError::Full));
    }
}

fn join_or_leave(ctx: &mut Context, ledger: &mut Ledger, conn: Conn, peer: usize) {
    let topic = *ledger.choices.pick(&TOPICS);
    let joins = ledger.choices.chance(700);
    let done = match joins {
        true => ctx.join(conn, topic.as_bytes()),
        false => ctx.leave(conn, topic.as_bytes()),
    };
    ledger.note(|| format!("peer {peer}: joins {joins} {topic}: {done:?}"));
    let record = &mut ledger.records[peer];
    match done {
        Ok(_) if joins => _ = record.joined.insert(topic),
        Ok(_) => _ = record.joined.remove(topic),
        Err(error) => assert_eq!(error, CallError::Gone, "peer {peer}"),
    }
}

/// Who calls: a callback of a reactor through its context, the same through the engine's handle, or
/// a thread that is no reactor's.
enum Caller<'c> {
    Context(&'c mut Context),
    Own(&'c Handle, u32),
    Outside(&'c Handle),
}

impl Caller<'_> {
    /// Whose calls keep their order: the reactor, or none.
    fn number(&self) -> usize {
        match self {
            Self::Context(ctx) => ctx.index as usize,
            Self::Own(_, reactor) => *reactor as usize,
            Self::Outside(_) => 9,
        }
    }

    fn handle(&self) -> Handle {
        match self {
            Self::Context(ctx) => ctx.engine().clone(),
            Self::Own(handle, _) | Self::Outside(handle) => (*handle).clone(),
        }
    }
}

fn publish(caller: Caller<'_>, ledger: &mut Ledger) {
    let topic = *ledger.choices.pick(&TOPICS);
    let except = if ledger.choices.chance(300) { ledger.any_conn() } else { None };
    let number = ledger.call();
    let len = *ledger.choices.pick(&[3, 100, 900, 5_000]);
    let text = format!("published {topic} {number} {}", "x".repeat(len));
    let message = Outgoing::copied(Opcode::Text, text.as_bytes());
    let conn = except.map(|(conn, _)| conn);
    let name = topic.as_bytes();
    let (done, deferred) = match caller {
        Caller::Context(ctx) => (ctx.publish(name, &message, conn), false),
        Caller::Own(handle, _) => (handle.publish(name, &message, conn), true),
        Caller::Outside(handle) => (handle.publish(name, &message, conn), false),
    };
    ledger.published(topic, number, except.map(|(_, peer)| peer), done, deferred);
}

fn send(caller: Caller<'_>, ledger: &mut Ledger) {
    let Some((conn, peer)) = ledger.any_conn() else { return };
    let (number, sender) = (ledger.call(), caller.number());
    let len = *ledger.choices.pick(&[3, 100, 900, 5_000]);
    let text = format!("sent {sender} {number} {}", "x".repeat(len));
    let plain = SendFlags::default();
    let made = ledger.choices.chance(300);
    let message = Outgoing::copied(Opcode::Text, text.as_bytes());
    let done = match caller {
        Caller::Context(ctx) if made => ctx.send_message(conn, &message).map(taken),
        Caller::Context(ctx) => ctx.send(conn, Opcode::Text, text.as_bytes(), plain).map(taken),
        Caller::Own(handle, _) | Caller::Outside(handle) if made => {
            handle.send_message(conn, &message)
        }
        Caller::Own(handle, _) | Caller::Outside(handle) => {
            handle.send(conn, Opcode::Text, text.as_bytes(), plain)
        }
    };
    ledger.sent(sender, peer, number, done);
}

fn taken(queued: Queued) {
    assert_ne!(queued, Queued::Dropped, "no policy drops anything");
}

/// Sends the latest of a key: of each thread one of its own, since it is the latest of that.
fn send_latest(caller: Caller<'_>, ledger: &mut Ledger) {
    let Some((conn, peer)) = ledger.any_conn() else { return };
    let key = 10 * caller.number() as u64 + ledger.choices.below(2) as u64;
    let number = ledger.call();
    let text = format!("latest {key} {number} ");
    let message = Outgoing::copied(Opcode::Text, text.as_bytes());
    let done = match caller {
        Caller::Context(ctx) => ctx.send_latest(conn, key, &message).map(taken),
        Caller::Own(handle, _) | Caller::Outside(handle) => handle.send_latest(conn, key, &message),
    };
    if done.is_ok() {
        ledger.records[peer].keys.offered(key, number);
    }
}

/// Ends a connection, of whatever reactor.
fn end(caller: Caller<'_>, ledger: &mut Ledger) {
    let Some((conn, peer)) = ledger.any_conn() else { return };
    let aborts = ledger.choices.chance(500);
    let (code, why) = (CloseCode(1011), "enough");
    let done = match caller {
        Caller::Context(ctx) if aborts => ctx.abort(conn),
        Caller::Context(ctx) => ctx.close(conn, code, why),
        Caller::Own(handle, _) | Caller::Outside(handle) if aborts => handle.abort(conn),
        Caller::Own(handle, _) | Caller::Outside(handle) => handle.close(conn, code, why),
    };
    ledger.note(|| format!("peer {peer}: ended by us, abort {aborts}: {done:?}"));
    ledger.records[peer].ended_by_us |= done.is_ok();
}

fn pause(caller: Caller<'_>, ledger: &mut Ledger) {
    let Some((conn, _)) = ledger.any_conn() else { return };
    let paused = ledger.choices.chance(500);
    // Refused where it has gone.
    let _ = match caller {
        Caller::Context(ctx) if paused => ctx.pause(conn),
        Caller::Context(ctx) => ctx.resume(conn),
        Caller::Own(handle, _) | Caller::Outside(handle) => handle.set_paused(conn, paused),
    };
}

impl App {
    /// One random call of a callback.
    fn meddle(&self, ctx: &mut Context, ledger: &mut Ledger) {
        if ledger.calm {
            return;
        }
        let (engine, index) = (ctx.engine().clone(), ctx.index);
        assert_eq!(engine.here(), Some(index), "the thread of another reactor");
        match ledger.choices.below(10) {
            0 => return self.post(&engine, ledger),
            1 => return self.timer(ctx, ledger),
            2 => return foreign(ctx, ledger),
            _ => {}
        }
        let own = ledger.choices.chance(350);
        let caller = if own { Caller::Own(&engine, index) } else { Caller::Context(ctx) };
        call(caller, ledger);
    }

    /// One random call of a thread that is no reactor's.
    pub(super) fn meddle_outside(&self, engine: &Handle, ledger: &mut Ledger) {
        assert_eq!(engine.here(), None, "between two turns the thread is nobody's");
        match ledger.choices.below(8) {
            0 | 1 => self.post(engine, ledger),
            2 => {
                let waiting: Vec<_> = ledger.laters.iter().map(|(&l, &peer)| (l, peer)).collect();
                let waiting = waiting.into_iter().min_by_key(|(_, peer)| *peer);
                waiting.into_iter().for_each(|(later, peer)| answer(engine, ledger, later, peer));
            }
            _ => call(Caller::Outside(engine), ledger),
        }
    }

    /// Posts a job to some reactor, which must run once, there, and soon.
    fn post(&self, engine: &Handle, ledger: &mut Ledger) {
        let reactor = ledger.choices.below(ledger.reactors) as u32;
        let (app, posted) = (self.clone(), ledger.now);
        let job = move |ctx: &mut Context| {
            let mut ledger = app.shared.lock();
            ledger.jobs.1 += 1;
            assert_eq!(ctx.index, reactor, "a job of another reactor");
            let late = ledger.now - posted;
            assert!(late <= SOON_MS, "a job ran {late} ms after its post");
            app.meddle(ctx, &mut ledger);
        };
        let taken = engine.post(reactor, Box::new(job));
        ledger.note(|| format!("a job for reactor {reactor}: {taken:?}"));
        ledger.jobs.0 += u64::from(taken.is_ok());
        ledger.report.refused += u64::from(taken == Err(CallError::MailboxFull));
    }

    fn timer(&self, ctx: &mut Context, ledger: &mut Ledger) {
        let app = self.clone();
        let delay = Duration::from_millis(ledger.choices.below(100) as u64);
        ctx.timer_start(
            delay,
            Box::new(move |ctx| {
                let mut ledger = app.shared.lock();
                app.meddle(ctx, &mut ledger);
            }),
        );
    }

    /// Leaves an answer to another reactor, or to whoever comes.
    fn answer_from_elsewhere(
        &self,
        ctx: &mut Context,
        ledger: &mut Ledger,
        later: Later,
        peer: usize,
    ) {
        let reactor = ledger.choices.below(ledger.reactors + 1);
        if reactor == ledger.reactors {
            return;
        }
        let app = self.clone();
        let job = move |ctx: &mut Context| {
            let mut ledger = app.shared.lock();
            ledger.jobs.1 += 1;
            answer(&ctx.engine().clone(), &mut ledger, later, peer);
        };
        let taken = ctx.engine().post(reactor as u32, Box::new(job));
        ledger.jobs.0 += u64::from(taken.is_ok());
    }
}

fn call(caller: Caller<'_>, ledger: &mut Ledger) {
    match ledger.choices.below(100) {
        0..40 => publish(caller, ledger),
        40..80 => send(caller, ledger),
        80..90 => send_latest(caller, ledger),
        90..97 => pause(caller, ledger),
        97 | 98 => end(caller, ledger),
        _ => {
            let engine = caller.handle();
            let stats = engine.stats(None).expect("all reactors");
            assert!(stats.connections <= stats.accepted);
        }
    }
}

/// What must be refused of a connection of another reactor.
fn foreign(ctx: &mut Context, ledger: &mut Ledger) {
    let Some((conn, _)) = ledger.any_conn() else { return };
    if conn.reactor() != ctx.index {
        let elsewhere = Err(CallError::Topic(TopicError::Elsewhere));
        assert_eq!(ctx.join(conn, b"blue"), elsewhere);
        assert_eq!(ctx.leave(conn, b"blue"), elsewhere);
    }
}

/// Answers what was left for later: taken once at most.
fn answer(engine: &Handle, ledger: &mut Ledger, later: Later, peer: usize) {
    let answered = engine.answer(later, Reply::new(101), None, peer | LATER);
    ledger.note(|| format!("peer {peer}: answered, {answered:?}"));
    match answered {
        Ok(()) => ledger.report.answered += 1,
        Err(LaterError::Gone) => {}
        Err(LaterError::Call(CallError::MailboxFull | CallError::Stopped)) => {}
        Err(error) => panic!("peer {peer}: {error:?}"),
    }
}
