//! The connections of a load: each sends a message for each that has come back.

use hdrhistogram::Histogram;
use ringws_engine::conn::SendFlags;
use ringws_engine::engine::Engine;
use ringws_engine::proto::Opcode;
use ringws_engine::reactor::{Closed, Conn, ConnectError, Context, Handler, Message, NotConnected};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One connection, by its number: its user word.
#[derive(Default)]
struct Line {
    conn: Option<Conn>,
    /// When what is under way was sent.
    sent: VecDeque<Instant>,
    /// Messages that came back while it was measured.
    answered: u64,
}

/// All of them. Each is used by one reactor alone: its lock is never waited for.
pub(super) struct Load {
    lines: Vec<Mutex<Line>>,
    /// Of each reactor, in nanoseconds.
    times: Vec<Mutex<Histogram<u64>>>,
    payload: Vec<u8>,
    opcode: Opcode,
    depth: usize,
    measures: AtomicBool,
    opened: AtomicU32,
    open: AtomicU32,
    answered: AtomicU64,
    /// Messages that were not what was sent.
    wrong: AtomicU64,
    refusal: Mutex<Option<ConnectError>>,
}

/// What was measured.
pub(super) struct Measured {
    pub(super) times: Histogram<u64>,
    /// Messages of each connection.
    pub(super) lines: Vec<u64>,
    pub(super) wrong: u64,
    /// Connections that had gone at the end.
    pub(super) lost: u32,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Times from a microsecond to a minute and a half, to a thousandth.
fn histogram() -> Histogram<u64> {
    let made = Histogram::new_with_bounds(1_000, 100_000_000_000, 3);
    made.unwrap_or_else(|_| unreachable!("bounds that are known to be good"))
}

impl Load {
    pub(super) fn new(
        reactors: u32,
        connections: u32,
        size: usize,
        depth: usize,
        binary: bool,
    ) -> Self {
        Self {
            lines: (0..connections).map(|_| Mutex::default()).collect(),
            times: (0..reactors).map(|_| Mutex::new(histogram())).collect(),
            payload: ringws_kit::payload(size, size),
            opcode: if binary { Opcode::Binary } else { Opcode::Text },
            depth,
            measures: AtomicBool::new(false),
            opened: AtomicU32::new(0),
            open: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            wrong: AtomicU64::new(0),
            refusal: Mutex::new(None),
        }
    }

    pub(super) fn opened(&self) -> u32 {
        self.opened.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn refusal(&self) -> Option<ConnectError> {
        lock(&self.refusal).clone()
    }

    /// All are open: each sends its first messages, on its own reactor.
    pub(super) fn go(self: &std::sync::Arc<Self>, engine: &Engine) {
        for reactor in 0..engine.reactors() {
            let load = std::sync::Arc::clone(self);
            let begin = move |ctx: &mut Context| {
                for line in &load.lines {
                    let conn = lock(line).conn.filter(|conn| conn.reactor() == ctx.index());
                    if let Some(conn) = conn {
                        (0..load.depth).for_each(|_| load.say(ctx, conn, &mut lock(line)));
                    }
                }
            };
            // An engine that has ended sends nothing, which is seen.
            let _ = engine.handle().post(reactor, Box::new(begin));
        }
    }

    fn say(&self, ctx: &mut Context, conn: Conn, line: &mut Line) {
        if ctx.send(conn, self.opcode, &self.payload, SendFlags::default()).is_ok() {
            line.sent.push_back(Instant::now());
        }
    }

    /// From here on it counts.
    pub(super) fn begin(&self) {
        self.measures.store(true, Ordering::Relaxed);
    }

    pub(super) fn end(&self) -> Measured {
        self.measures.store(false, Ordering::Relaxed);
        let mut times = histogram();
        for of_one in &self.times {
            // The same bounds: nothing is out of them.
            let _ = times.add(&*lock(of_one));
        }
        let lines = self.lines.iter().map(|line| lock(line).answered).collect();
        let lost = self.opened().saturating_sub(self.open());
        Measured { times, lines, wrong: self.wrong.load(Ordering::Relaxed), lost }
    }
}

impl Handler for Load {
    fn on_open(&self, ctx: &mut Context, conn: Conn) {
        if let Some(line) = ctx.user(conn).and_then(|number| self.lines.get(number)) {
            lock(line).conn = Some(conn);
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    fn on_refused(&self, _ctx: &mut Context, why: &mut NotConnected<'_>) {
        lock(&self.refusal).get_or_insert_with(|| why.error.clone());
    }

    fn on_message(&self, ctx: &mut Context, conn: Conn, message: Message<'_>) {
        let Some(line) = self.lines.get(message.user) else { return };
        let mut line = lock(line);
        let Some(sent) = line.sent.pop_front() else {
            // More than was sent.
            self.wrong.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if message.payload != self.payload {
            self.wrong.fetch_add(1, Ordering::Relaxed);
        }
        self.answered.fetch_add(1, Ordering::Relaxed);
        if self.measures.load(Ordering::Relaxed) {
            line.answered += 1;
            if let Some(times) = self.times.get(ctx.index() as usize) {
                lock(times).saturating_record(sent.elapsed().as_nanos() as u64);
            }
        }
        self.say(ctx, conn, &mut line);
    }

    fn on_close(&self, _ctx: &mut Context, _conn: Conn, _closed: &mut Closed<'_>) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
