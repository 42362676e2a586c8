//! Beside a reactor that a thread of the application turns, when it likes: what its callbacks have
//! asked for in a turn is done when the turn has ended, however late the next one comes.

use super::room::{Room, asks, text};
use super::service::reactors;
use ringws_engine::config::Config;
use ringws_engine::conn::Limits;
use ringws_engine::engine::Engine;
use ringws_engine::reactor::{Conn, Context};
use ringws_kit::Client;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{scope, yield_now};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// Whoever turns a reactor need not wait for it when a test has failed.
struct Stops<'e>(&'e Engine);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.stop(Duration::ZERO);
    }
}

/// A job on reactor 0 has run.
fn turned(room: &Room) {
    let (ran, runs) = channel();
    room.handle().post(0, Box::new(move |_| ran.send(()).unwrap())).unwrap();
    runs.recv_timeout(PATIENCE).unwrap();
}

/// A client on reactor 1, one on reactor 0, and others who stay, so that nobody ends by chance.
fn one_on_each(room: &Room) -> (Client, (Client, Conn), Vec<Client>) {
    let (mut far, mut near, mut others) = (None, None, Vec::new());
    while far.is_none() || near.is_none() {
        assert!(others.len() < 1_000, "every reactor accepts");
        let (client, conn) = room.enter();
        match conn.reactor() {
            0 if near.is_none() => near = Some((client, conn)),
            1 if far.is_none() => far = Some(client),
            _ => others.push(client),
        }
    }
    (far.unwrap(), near.unwrap(), others)
}

/// Whether it has happened.
type So = Box<dyn Fn() -> bool + Send>;

/// Turns reactor 0 until something has happened in a turn of it, then not before it may. What, is
/// told before it is made to happen.
fn beside(room: &Room, make: impl FnOnce(Client, Conn, &Sender<So>) -> Option<Client>) {
    let (until, halt) = channel::<So>();
    let ((halted, halts), (go, goes)) = (channel(), channel::<()>());
    let turns = move || {
        let _readable = room.engine.attach(0).unwrap();
        let mut until = None;
        while room.engine.turn().unwrap() {
            until = until.or_else(|| halt.try_recv().ok());
            if until.take_if(|so| so()).is_some() {
                halted.send(()).unwrap();
                assert!(goes.recv().is_err(), "nobody sends anything");
            }
            yield_now();
        }
    };
    scope(|scope| {
        scope.spawn(turns);
        let _stops = Stops(&room.engine);
        let go: Sender<()> = go;
        let (mut far, (near, conn), _others) = one_on_each(room);
        let _near = make(near, conn, &until);
        halts.recv_timeout(PATIENCE).unwrap();
        asks(&mut far, "join last", "Ok(true)");
        drop(go);
        (0..2).for_each(|_| turned(room));
        asks(&mut far, "say last of all", "of all");
    });
}

fn room() -> Room {
    Room::new(Config { attached: 1, ..reactors(2) }, Limits::default())
}

#[test]
fn who_joins_after_a_turn_does_not_get_what_a_timer_has_published_in_it() {
    let room = room();
    beside(&room, |near, _, until| {
        let fires = Arc::new(AtomicBool::new(false));
        let fired = Arc::clone(&fires);
        until.send(Box::new(move || fired.load(Ordering::Relaxed))).unwrap();
        let timer = move |ctx: &mut Context| {
            ctx.engine().publish(b"last", &text("words"), None).unwrap();
            fires.store(true, Ordering::Relaxed);
        };
        let starts = |ctx: &mut Context| _ = ctx.timer_start(Duration::ZERO, Box::new(timer));
        room.handle().post(0, Box::new(starts)).unwrap();
        Some(near)
    });
}

#[test]
fn who_joins_after_a_turn_does_not_get_what_on_close_has_published_in_it() {
    let room = room();
    beside(&room, |near, conn, until| {
        let closed = Arc::clone(&room.seen.closed);
        let so = move || closed.lock().unwrap().contains_key(&conn.to_bits());
        until.send(Box::new(so)).unwrap();
        drop(near);
        None
    });
}
