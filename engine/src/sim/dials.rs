//! Connections that a reactor makes, and that are given up at any time, on a simulated kernel, to
//! servers of every manner: each target
//! ends in `on_open` and `on_close`, or in `on_refused`, and nothing is left.

use super::names::NoNames;
use crate::proto::handshake::{Request, Response};
use crate::proto::head::HeadReader;
use crate::proto::{CloseCode, Input};
use crate::reactor::log::Logger;
use crate::reactor::{
    Closed, Conn, Context, DialId, Handle, Handler, MAIL_MAX, NotConnected, Reactor, Setup, Target,
    TopicLimits,
};
use crate::ring::Waker;
use crate::ring::sim::{Choices, Faults, Net, Peer, Seen, Sim, SimConfig, World};
use crate::tick::Tick;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// More than all timeouts together, for each that waits for another's place.
const TURNS_MAX: u32 = 2_000_000;

/// What the handlers were called for.
#[derive(Default)]
struct Tally {
    opened: AtomicUsize,
    closed: AtomicUsize,
    refused: AtomicUsize,
}

impl Handler for Tally {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        self.opened.fetch_add(1, Ordering::Relaxed);
        ctx.close(conn, CloseCode::NORMAL, "").expect("it is open");
    }
    fn on_close(&self, _: &mut Context, _: Conn, _: &mut Closed<'_>) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }
    fn on_refused(&self, _: &mut Context, why: &mut NotConnected<'_>) {
        assert_eq!(why.retry_ms, 0, "nobody asked for another try");
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// A server's end.
struct Server {
    peer: Peer,
    read: Vec<u8>,
    unsent: Vec<u8>,
    manner: usize,
    answered: bool,
}

impl Server {
    fn step(&mut self, net: &mut Net) {
        let come = net.read(self.peer, usize::MAX);
        self.read.extend(come);
        if !self.answered && self.read.ends_with(b"\r\n\r\n") {
            self.answered = true;
            match self.manner {
                0 | 1 => self.unsent = [answer(&self.read), b"\x88\x00".to_vec()].concat(),
                2 => net.reset(self.peer),
                3 => self.unsent = b"HTTP/1.1 403 x\r\nContent-Length: 2\r\n\r\nno".to_vec(),
                4 => self.unsent = b"\x82\x7f\xff\n".to_vec(),
                // Says nothing, for ever.
                _ => {}
            }
        }
        let written = net.write(self.peer, &self.unsent);
        self.unsent.drain(..written);
        if self.answered && self.unsent.is_empty() && matches!(self.manner, 0 | 4)
            || net.seen(self.peer) == Seen::End
        {
            net.end(self.peer);
        }
    }
}

fn answer(request: &[u8]) -> Vec<u8> {
    let mut bytes = request.to_vec();
    let head = HeadReader::new().feed(&mut Input::new(&mut bytes), 1 << 14);
    let request = Request::parse(head.expect("lines").expect("whole")).expect("a valid request");
    let mut out = Vec::new();
    Response::default().encode(&request, &mut out);
    out
}

struct Servers {
    all: Vec<Server>,
    /// What may be given up, at any time: also what is over, or open.
    dials: Arc<Mutex<Vec<DialId>>>,
    choices: Choices,
    handle: Handle,
    stop_at: Tick,
}

impl World for Servers {
    fn step(&mut self, net: &mut Net) -> Option<Tick> {
        while let Some((peer, _)) = net.dialed() {
            let (read, unsent, manner) = (Vec::new(), Vec::new(), self.choices.below(6));
            self.all.push(Server { peer, read, unsent, manner, answered: false });
        }
        for server in &mut self.all {
            server.step(net);
        }
        if self.choices.chance(30) {
            let dials = self.dials.lock().expect("no panic under it");
            let at = self.choices.below(dials.len().max(1));
            if let Some(dial) = dials.get(at) {
                // Refused only once the reactor has ended.
                let _ = self.handle.cancel_connect(*dial);
            }
        }
        if net.now() >= self.stop_at {
            // Once: each call wakes the reactor.
            self.stop_at = Tick::MAX;
            self.handle.stop(Duration::from_millis(50));
        }
        Some(net.now() + 5)
    }
}

fn draw_faults(choices: &mut Choices) -> Faults {
    let mut rate = |most: u16| *choices.pick(&[most / 4, 0, most]);
    Faults {
        connect_error: rate(300),
        connect_hang: rate(300),
        delay: rate(500),
        hold: rate(500),
        short: rate(700),
        receive_error: rate(5),
        send_error: rate(5),
        ..Faults::NONE
    }
}

/// Plays one run to its end.
///
/// # Panics
/// When the engine breaks a promise: the message says which.
pub fn run_dials(mut choices: Choices) {
    let wakers: Arc<[Waker]> = [Waker::new().expect("an eventfd")].into();
    let handle = Handle::new(Arc::clone(&wakers), TopicLimits::default(), u64::MAX, MAIL_MAX);
    let targets = choices.between(1, 20);
    // Some are stopped in the middle, the others when all is over.
    let stop_at = *choices.pick(&[60_000, 1, 20, 400]);
    let faults = draw_faults(&mut choices);
    let dials: Arc<Mutex<Vec<DialId>>> = Arc::default();
    let world = Servers {
        all: Vec::new(),
        dials: Arc::clone(&dials),
        choices: choices.fork(),
        handle: handle.clone(),
        stop_at,
    };
    let connections_max = *choices.pick(&[64, 2, 5]);
    let kernel = Sim::new(SimConfig {
        sockets_max: *choices.pick(&[64, 3]),
        choices,
        faults,
        listeners: 0,
        buffers: 16,
        buffer_size: 200,
        large: (2, 1000),
        index: 0,
        wakers,
        world: Box::new(world),
    });
    let mut reactor = Reactor::new(
        kernel,
        Setup {
            index: 0,
            connections_max,
            endpoints: Vec::new(),
            listeners: Vec::new(),
            codec_memory_max: 0,
            resolver: Arc::new(NoNames),
            random: |block| block.fill(0x5A),
            handle: handle.clone(),
            on_topic: None,
            on_gap: None,
            on_late: None,
            log: Logger::default(),
            user: 0,
        },
    )
    .expect("memory");
    let tally = Arc::new(Tally::default());
    for port in 1..=targets {
        let url = format!("ws://127.0.0.1:{port}/");
        let target = Target::new(&url, tally.clone()).expect("a target");
        let dial = handle.connect(target).expect("taken");
        dials.lock().expect("no panic under it").push(dial);
    }
    let mut turns = 0;
    while reactor.turn().expect("a kernel that works") {
        turns += 1;
        assert!(turns < TURNS_MAX, "it does not end");
    }
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (opened, refused) = (count(&tally.opened), count(&tally.refused));
    assert_eq!(count(&tally.closed), opened, "on_open and on_close pair");
    assert_eq!(opened + refused, targets, "each target ends once");
    assert_eq!(Arc::strong_count(&tally), 1, "no target is kept");
    let census = reactor.census();
    assert_eq!(census.slots, 0);
    assert_eq!((reactor.kernel().open_sockets(), reactor.kernel().dials_out()), (0, 0));
}
