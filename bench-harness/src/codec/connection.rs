//! The connection of the engine: with its limits, the order of frames and its clock.

use super::{Case, Operation, Task};
use ringws_engine::conn::{Connection, Env, Event, Limits, SendFlags, Tools};
use ringws_engine::memory::Pool;
use ringws_engine::proto::Input;
use ringws_engine::proto::handshake::Response;
use ringws_engine::tick::Tick;
use std::hint::black_box;

/// The name of the engine's floor 1 in tables.
pub const CONNECTION: &str = "ringws connection";

const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The way of a connection to do `task`, where it has one.
pub fn cases(task: Task) -> Vec<Case> {
    match task.operation {
        Operation::FrameDecode => vec![receive(task, false)],
        Operation::StreamDecode => vec![receive(task, true)],
        Operation::FrameEncode => vec![send(task)],
        _ => Vec::new(),
    }
}

/// A connection, and what its owner lends it.
struct Owned {
    connection: Connection,
    limits: Limits,
    pool: Pool,
    tools: Tools,
    copied: u64,
}

impl Owned {
    /// Upgraded, the answer sent.
    fn open() -> Self {
        let limits = Limits { send_queue_max: 8 << 20, ..Limits::default() };
        let pool = Pool::new(8 << 20);
        let tools = Tools::new(|block| block.fill(0x5A));
        let connection = Connection::server(now());
        let mut owned = Self { connection, limits, pool, tools, copied: 0 };
        let mut head = UPGRADE.to_vec();
        let mut input = Input::new(&mut head);
        let (connection, mut env) = owned.parts();
        let event = connection.receive(&mut input, &mut env);
        if let Ok(Some(Event::Request(request))) = event {
            connection.accept(&request, &Response::default(), &mut env);
        }
        owned.drain();
        owned
    }

    fn parts(&mut self) -> (&mut Connection, Env<'_>) {
        let Self { connection, limits, pool, tools, copied } = self;
        (connection, Env { now: now(), limits, pool, tools, copied })
    }

    /// Takes what is queued as if all of it had been sent; returns its bytes.
    fn drain(&mut self) -> usize {
        let (connection, mut env) = self.parts();
        let mut sent = 0;
        while let Some(batch) = connection.transmit() {
            let len = black_box(&batch).len();
            connection.transmitted(batch, len, &mut env);
            sent += len;
        }
        sent
    }

    fn receive(&mut self, wire: &mut [u8]) -> usize {
        let (connection, mut env) = self.parts();
        let mut input = Input::new(wire);
        let mut found = 0;
        // One match, so that nothing is asked twice, and what else could come is not measured.
        loop {
            match connection.receive(&mut input, &mut env) {
                Ok(Some(Event::Batch(batch))) => {
                    found += batch.inspect(|(_, payload)| _ = black_box(&**payload)).count();
                }
                Ok(Some(other)) => let_go(other),
                Ok(None) | Err(_) => return found,
            }
        }
    }
}

/// Apart: how what does not come here is dropped would be measured with what does.
#[cold]
#[inline(never)]
fn let_go(_: Event<'_>) {}

fn now() -> Tick {
    Tick::default()
}

fn receive(task: Task, copy: bool) -> Case {
    let input = task.input();
    let mut owned = Owned::open();
    let mut received = input.wire.clone();
    Case::new(task, CONNECTION, input.frames, move || {
        if copy {
            received.copy_from_slice(black_box(&input.wire));
        }
        owned.receive(black_box(&mut received))
    })
}

fn send(task: Task) -> Case {
    let input = task.input();
    let mut owned = Owned::open();
    let opcode = task.content.opcode();
    Case::new(task, CONNECTION, input.frames, move || {
        let mut sent = 0;
        for _ in 0..input.frames {
            let (connection, mut env) = owned.parts();
            let payload = black_box(&input.payload);
            let queued = connection.send(opcode, payload, SendFlags::default(), &mut env);
            sent += usize::from(queued.is_ok());
        }
        owned.drain();
        sent
    })
}
