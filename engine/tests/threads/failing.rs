//! A reactor that fails takes the engine down in order: everybody hears of it.

use super::service::{at, reactors, start};
use ringws_engine::config::{Config, Endpoint, Level};
use ringws_engine::engine::{Engine, Error};
use ringws_engine::reactor::{Closed, Conn, Context, Handler, Message};
use ringws_kit::{Client, TEXT, frame, until};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

/// Panics when told to, and again in every third `on_close`.
#[derive(Clone, Default)]
struct Fragile {
    opened: Arc<AtomicU32>,
    closed: Arc<AtomicU32>,
    codes: Arc<Mutex<Vec<u16>>>,
}

impl Handler for Fragile {
    fn on_open(&self, _: &mut Context, _: Conn) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }
    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        ctx.send(conn, message.opcode, message.payload, Default::default()).unwrap();
        assert_ne!(message.payload, b"panic", "on purpose");
    }
    fn on_close(&self, _: &mut Context, _: Conn, closed: &mut Closed<'_>) {
        self.codes.lock().unwrap().push(closed.info.code.0);
        let count = self.closed.fetch_add(1, Ordering::Relaxed);
        assert_ne!(count % 3, 2, "on purpose, again");
    }
}

#[test]
fn a_handler_that_panics_stops_the_engine_and_all_connections_are_reported() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (said, stopped) = (Arc::clone(&lines), Arc::new(AtomicU32::new(0)));
    let stops = Arc::clone(&stopped);
    let config = Config {
        log: Some(Arc::new(move |level, line: &str| {
            said.lock().unwrap().push((level, line.to_owned()));
        })),
        on_stop: Some(Arc::new(move |_: &mut Context| {
            stops.fetch_add(1, Ordering::Relaxed);
        })),
        ..reactors(3)
    };
    let handler = Fragile::default();
    let (engine, port) = start(config, at(handler.clone()));
    let mut clients: Vec<Client> = (0..24).map(|_| Client::connect(port)).collect();
    until("all open", || handler.opened.load(Ordering::Relaxed) == 24);
    // A run, so that answers are in the making.
    clients[0].write(&[frame(TEXT, "a"), frame(TEXT, "b"), frame(TEXT, "panic")].concat());
    let asked = Instant::now();
    // The peers do not answer: they have the grace of a failure.
    let ended = engine.wait();
    assert!(asked.elapsed() < Duration::from_secs(10));
    let Err(Error::Panicked(reactor)) = ended else { panic!("{ended:?}") };
    assert_eq!(handler.closed.load(Ordering::Relaxed), 24, "on_close for all");
    assert_eq!(stopped.load(Ordering::Relaxed), 3);
    assert_eq!(engine.stats(None).expect("all").connections, 0, "nobody is connected any more");
    let lines = lines.lock().unwrap();
    let told = format!("reactor {reactor}: a callback panicked");
    let tells = |(level, line): &(Level, String)| *level == Level::Error && line.contains(&told);
    assert!(lines.iter().any(tells), "{lines:?}");
}

#[test]
fn a_job_that_panics_keeps_no_other_from_being_called() {
    let handler = Fragile::default();
    let (engine, _) = start(reactors(1), at(handler));
    let (ran, (go, wait)) = (Arc::new(AtomicU32::new(0)), channel::<()>());
    let block = move |_: &mut Context| assert!(wait.recv().is_err());
    engine.handle().post(0, Box::new(block)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    for index in 0..10 {
        let ran = Arc::clone(&ran);
        let job = move |_: &mut Context| {
            ran.fetch_add(1, Ordering::Relaxed);
            assert_ne!(index % 4, 1, "on purpose");
        };
        engine.handle().post(0, Box::new(job)).unwrap();
    }
    drop(go);
    assert!(matches!(engine.wait(), Err(Error::Panicked(0))));
    assert_eq!(ran.load(Ordering::Relaxed), 10);
}

#[test]
fn calls_that_would_wait_for_their_own_thread_are_refused() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let home: Arc<OnceLock<Weak<Engine>>> = Arc::default();
    let (tell, at) = (Arc::clone(&seen), Arc::clone(&home));
    let on_start = move |_: &mut Context| {
        let engine = at.get().and_then(Weak::upgrade).expect("set before the start");
        let listened = engine.listen(Endpoint::new(0, Arc::new(Fragile::default())));
        for refused in [listened.map(|_| ()), engine.start(), engine.wait()] {
            tell.lock().unwrap().push(matches!(refused, Err(Error::State(_))));
        }
    };
    let config = Config { on_start: Some(Arc::new(on_start)), ..reactors(2) };
    let engine = Arc::new(Engine::new(config).unwrap());
    home.set(Arc::downgrade(&engine)).unwrap();
    engine.start().unwrap();
    assert_eq!(*seen.lock().unwrap(), [true; 6]);
}
