//! Topics with a history: who comes back in time misses nothing, and who does not is told.

#[path = "history/across.rs"]
mod across;
#[path = "history/follower.rs"]
mod follower;
#[path = "bus/hub.rs"]
#[allow(dead_code, reason = "each test uses its own part")]
mod hub;
#[path = "history/kept.rs"]
mod kept;
#[path = "topics/room.rs"]
#[allow(dead_code, reason = "each test uses its own part")]
mod room;
#[path = "support/service.rs"]
mod service;

use follower::Follower;
use ringws_engine::config::{Config, HistoryRule};
use ringws_engine::conn::{Limits, WhenFull};
use ringws_engine::reactor::{Conn, Context};
use ringws_kit::until;
use room::{Room, asks, text};
use service::{reactors, stats};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::scope;
use std::time::Duration;

/// Who was told that he is late, and for which topic.
type Told = Arc<Mutex<Vec<(Conn, Vec<u8>)>>>;

const RULE: HistoryRule =
    HistoryRule { prefix: Vec::new(), bytes_max: 0, messages_max: 0, age_ms: 0, stamp: true };

fn with(count: u32, rule: HistoryRule) -> Config {
    Config { history: vec![rule], ..reactors(count) }
}

/// Whoever goes on until then ends, also when a test fails.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Four publishers without pause, and members that go and come back in the middle, some of whom
/// take their time. Numbers are without holes, so each hole would be a message that was missed.
#[test]
fn who_comes_back_while_others_publish_misses_nothing_and_gets_nothing_twice() {
    const ROUNDS: usize = 120;
    // Who is too slow for the others is closed, and comes back.
    let limits =
        Limits { send_queue_max: 32 << 10, when_full: WhenFull::Close, ..Limits::default() };
    let rule = HistoryRule { bytes_max: 64 << 20, ..RULE };
    let config = Config { history_bytes_max: 1 << 30, ..with(2, rule) };
    let room = &Room::new(config, limits);
    let (done, published) = (&AtomicBool::new(false), &AtomicU64::new(0));
    scope(|scope| {
        let ends = Done(done);
        for _ in 0..2 {
            let handle = room.handle();
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    handle.publish(b"blue", &text("x".repeat(200)), None).unwrap();
                    published.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_micros(100));
                }
            });
        }
        for reactor in 0..2 {
            let (mut client, _) = room.enter_at(reactor);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    client.send(ringws_kit::TEXT, "say blue by a callback");
                    published.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_micros(150));
                }
                asks(&mut client, "count grey", "0 of 0");
            });
        }
        let followers: Vec<_> = (0..4_u64)
            .map(|number| {
                scope.spawn(move || {
                    let mut follower = Follower::default();
                    follower.begins(room);
                    let mut random = number;
                    for _ in 0..ROUNDS {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let most = (random >> 33) % 300;
                        let rests = if number == 0 { 0 } else { (random >> 50) % 9 };
                        std::thread::sleep(Duration::from_millis(rests));
                        follower.comes_back(room, "Ok(Complete)");
                        follower.hears_some(most as usize, rests);
                    }
                    follower.comes_back(room, "Ok(Complete)");
                    follower
                })
            })
            .collect();
        let mut followers: Vec<Follower> =
            followers.into_iter().map(|follower| follower.join().unwrap()).collect();
        drop(ends);
        let total = |_: &()| published.load(Ordering::Relaxed);
        until("all were published", || followers[0].catches_up(room, total(&())));
        for follower in &mut followers[1..] {
            until("the last one", || follower.catches_up(room, total(&())));
        }
    });
    let stats = stats(&room.engine);
    assert_eq!((stats.publish_refused, stats.history_late), (0, 0));
    assert!(stats.history_resumed >= 4 * ROUNDS as u64 && stats.history_replayed > 1_000);
}

/// What a connection of a reactor has queued.
fn queued(room: &Room, conn: Conn) -> usize {
    let (tell, told) = channel();
    let look = move |ctx: &mut Context| tell.send(ctx.buffered(conn)).unwrap();
    room.handle().post(conn.reactor(), Box::new(look)).unwrap();
    told.recv_timeout(Duration::from_secs(10)).unwrap()
}

#[test]
fn a_replay_waits_for_room_in_the_queue() {
    const QUEUE: usize = 20_000;
    let limits = Limits { send_queue_max: QUEUE as u32, ..Limits::default() };
    let room = Room::new(with(1, HistoryRule { bytes_max: 32 << 20, ..RULE }), limits);
    let mut follower = Follower::default();
    follower.begins(&room);
    follower.goes();
    until("gone", || room.handle().members(b"blue") == 0);
    let say = |n: usize| {
        room.handle().publish(b"blue", &text(format!("{n} {}", "y".repeat(3_000))), None).unwrap();
    };
    (0..5_000).for_each(say);
    let conn = follower.comes_back(&room, "Ok(Complete)");
    for n in 5_000..5_100 {
        let queued = queued(&room, conn);
        assert!(queued <= QUEUE + 3_200, "{queued} are queued");
        say(n);
    }
    assert!(queued(&room, conn) > 0, "15 MB do not fit into the buffers of a socket");
    for n in 0..5_100 {
        assert!(follower.hears().starts_with(&format!("{n} ")), "{n}");
    }
    until("it is a member as the others", || {
        say(6_000);
        follower.hears().starts_with("6000 ") && stats(&room.engine).history_replayed < 5_101
    });
    let seen = stats(&room.engine);
    assert_eq!((seen.history_resumed, seen.history_late, seen.publish_dropped), (1, 0, 0));
}

#[test]
fn what_leaves_the_history_before_it_is_read_is_told() {
    let told = Told::default();
    let noted = Arc::clone(&told);
    let on_late = move |_: &mut Context, conn: Conn, topic: &[u8]| {
        noted.lock().unwrap().push((conn, topic.to_vec()));
    };
    let rule = HistoryRule { bytes_max: 32 << 20, messages_max: 5_000, ..RULE };
    let config = Config { on_late: Some(Arc::new(on_late)), ..with(1, rule) };
    let limits = Limits { send_queue_max: 20_000, ..Limits::default() };
    let room = Room::new(config, limits);
    let mut follower = Follower::default();
    follower.begins(&room);
    follower.goes();
    let say = |n: usize| {
        room.handle().publish(b"blue", &text(format!("{n} {}", "y".repeat(3_000))), None).unwrap();
    };
    (0..5_000).for_each(say);
    let conn = follower.comes_back(&room, "Ok(Complete)");
    (5_000..10_000).for_each(say);
    // It reads until it finds that the next one is gone.
    follower.lenient = true;
    while follower.last() < 10_000 {
        follower.hears();
    }
    assert!(follower.missed > 0, "15 MB do not fit into the buffers of a socket");
    until("told", || !told.lock().unwrap().is_empty());
    assert!(told.lock().unwrap().iter().all(|told| *told == (conn, b"blue".to_vec())));
    assert_eq!(stats(&room.engine).history_late, told.lock().unwrap().len() as u64);
    follower.lenient = false;
    say(10_000);
    follower.hears();
}
