//! Inputs that are after the server's memory or its time: both must stay in proportion to what the
//! peer has really sent.

use super::running::backend;
use super::service::Service;
use super::wire;
use ringws_engine::config::Backend;
use ringws_engine::conn::Limits;
use ringws_kit::{
    BINARY, CLOSE, CONTINUATION, Client, FIN, Frame, MIB, PATIENCE, PING, PONG, TEXT, close, frame,
    read_to_end, resident, tcp, until,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One test at a time: they measure the process.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// CPU time of the process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("procfs");
    // Behind the name, which may have spaces: utime and stime are fields 14 and 15 of the line.
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<u64>().expect("a number");
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_millis((ticks(11) + ticks(12)) * 1000 / per_second)
}

/// What `work` adds to the resident memory, at most.
fn growth(work: impl FnOnce(&mut dyn FnMut())) -> usize {
    let before = resident();
    let mut most = before;
    work(&mut || most = most.max(resident()));
    most.max(resident()) - before
}

/// An open connection over which nothing comes back.
fn sink(port: u16) -> Client {
    Client::open_with(tcp(port), "/sink", &[])
}

/// Closes, and reads to the answer, which is the last frame; what came before it.
fn closed(mut client: Client) -> Vec<(u8, Vec<u8>)> {
    client.send(CLOSE, close(1000, ""));
    let mut all = client.all();
    assert_eq!(all.pop(), Some((CLOSE, close(1000, ""))));
    all
}

/// CVE-2022-35922: nothing is allocated on the strength of a length field.
#[test]
fn thousands_of_lying_lengths() {
    let _turn = turn();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("RLIMIT_NOFILE");
    // Our ends and the listening sockets need descriptors; the server's ends are direct ones,
    // unless they are epoll's.
    let ends = if backend() == Backend::Epoll { 2 } else { 1 };
    let room = limit.maximum.map_or(10_000, |most| (most.saturating_sub(500) / ends).min(10_000));
    let service = Service::new(Limits { message_max: 64 << 20, ..Limits::default() });
    let mut liars: Vec<Client> = (0..room).map(|_| Client::connect(service.port)).collect();
    let lie = Frame::new(BINARY, "x").declares(63 << 20).bytes();
    let grown = growth(|_| {
        liars.iter_mut().for_each(|liar| liar.write(&lie));
        // The last one has been read when another connection is answered behind it.
        Client::connect(service.port).echoes(BINARY, "ok");
    });
    // The byte that did come must be kept: in a page, whatever was declared.
    let each = grown / liars.len();
    assert!(each < 5 << 10, "{each} bytes for each of {} lies of 63 MiB", liars.len());
    drop(liars);
    service.quiesce();
}

/// Time for `n` tiny frames sent as fast as they are taken.
fn tiny_frames(port: u16, unit: &[u8], n: usize) -> Duration {
    let mut client = sink(port);
    let block = unit.repeat(4096);
    let before = cpu();
    for _ in 0..n / 4096 {
        client.write(&block);
    }
    closed(client);
    cpu() - before
}

fn is_linear(what: &str, mut time: impl FnMut(usize) -> Duration, small: usize) {
    let (one, four) = (time(small), time(4 * small));
    // Four times the work may take four times the time, and the grain of the clock.
    let most = one * 8 + Duration::from_millis(100);
    assert!(four <= most, "{what}: {small} took {one:?}, four times as many {four:?}");
}

#[test]
fn a_million_tiny_frames_take_linear_time() {
    let _turn = turn();
    let service = Service::new(Limits::default());
    let port = service.port;
    is_linear("empty messages", |n| tiny_frames(port, &frame(BINARY, ""), n), 1 << 18);
    is_linear("pings", |n| tiny_frames(port, &frame(PING, ""), n), 1 << 18);
    service.quiesce();
}

#[test]
fn fragments_with_controls_among_them_take_linear_time_and_little_memory() {
    let _turn = turn();
    let limits = Limits {
        fragments_max: 1 << 24,
        message_max: 16 << 20,
        stream: false,
        ..Limits::default()
    };
    let service = Service::new(limits);
    let port = service.port;
    // Text by single bytes, never finished: sockudo-ws validates all of it again at each.
    let fragments = |n: usize| {
        let mut client = sink(port);
        let unit = [frame(CONTINUATION, "x"), frame(PING, "")].concat();
        let before = cpu();
        client.send(TEXT & !FIN, "");
        for _ in 0..n / 4096 {
            client.write(&unit.repeat(4096));
        }
        closed(client);
        cpu() - before
    };
    is_linear("fragments", fragments, 1 << 18);
    let grown = growth(|_| {
        fragments(1 << 20);
    });
    assert!(grown < 8 * MIB, "{grown} bytes for a message of 1 MiB");
    service.quiesce();
}

/// CVE-2023-43669: a head that is looked at again with each read costs its square.
#[test]
fn a_dripped_head_takes_linear_time() {
    let _turn = turn();
    let service = Service::new(Limits { head_max: 1 << 20, ..Limits::default() });
    let port = service.port;
    let drip = |len: usize| {
        let mut stream = tcp(port);
        let before = cpu();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").expect("a head");
        wire::write(&mut stream, &vec![b'x'; len], 100, Duration::ZERO);
        stream.write_all(b"\r\n\r\n").expect("its end");
        let answer = read_to_end(&mut stream);
        assert!(answer.starts_with(b"HTTP/1.1 426 "), "{}", answer.escape_ascii());
        cpu() - before
    };
    is_linear("a head in drips of 100 bytes", drip, MIB / 5);
    service.quiesce();

    let capped = Service::new(Limits::default());
    let grown = growth(|_| {
        let mut stream = tcp(capped.port);
        wire::write(&mut stream, b"GET / HTTP/1.1\r\nX: ", 100, Duration::ZERO);
        wire::write(&mut stream, &vec![b'x'; 4 * MIB], 100, Duration::ZERO);
        let answer = read_to_end(&mut stream);
        assert!(answer.starts_with(b"HTTP/1.1 431 "), "{}", answer.escape_ascii());
    });
    assert!(grown < 6 * MIB, "{grown} bytes for a head over its limit");
    capped.quiesce();
}

/// RFC 6455 §5.5.3: of several pings only the last need be answered, so a peer that does not read
/// its pongs costs one of them.
#[test]
fn a_ping_flood_that_reads_nothing_queues_no_pongs() {
    let _turn = turn();
    let service = Service::new(Limits::default());
    let mut client = Client::connect(service.port);
    let grown = growth(|sample| {
        let block = frame(PING, [b'x'; 125]).repeat(1000);
        for _ in 0..300 {
            // Pings are read, whatever becomes of the pongs.
            client.write(&block);
            sample();
        }
    });
    assert!(grown < 4 * MIB, "{grown} bytes for 300,000 pings");
    client.send(PING, "z");
    let mut pongs = std::iter::from_fn(|| Some(client.receive()));
    assert!(pongs.any(|pong| pong == (PONG, b"z".to_vec())), "the last ping is answered");
    client.close();
    service.quiesce();
}

/// CVE-2020-35896: a peer that never reads is not read from either, once its queue is full.
#[test]
fn a_peer_that_never_reads_is_held_back() {
    let _turn = turn();
    let service = Service::new(Limits { send_queue_max: 1 << 20, ..Limits::default() });
    let mut clients: Vec<Client> = (0..8).map(|_| Client::connect(service.port)).collect();
    let message = frame(BINARY, [b'x'; 65_536]);
    let mut taken = 0;
    let grown = growth(|sample| {
        for Client { stream, .. } in &mut clients {
            stream.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
            // Until the server stops reading: the sockets' buffers and its queue are full then.
            let (since, mut at) = (Instant::now(), 0);
            loop {
                match stream.write(&message[at..]) {
                    Ok(n) => (taken, at) = (taken + n, (at + n) % message.len()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("write: {error}"),
                }
                assert!(since.elapsed() < PATIENCE, "{taken} bytes and no end");
            }
            sample();
        }
    });
    // A queue of 1 MiB and what it overshoots by, twice over for the growth of a vector.
    let each = grown / clients.len();
    assert!(each < 4 * MIB, "{each} bytes for each peer that does not read ({taken} sent)");
    drop(clients);
    service.quiesce();
}

/// Waits until no more than `most` bytes are resident beyond `before`.
fn goes_back(before: usize, most: usize) {
    let since = Instant::now();
    while resident() > before + most {
        let left = resident() - before;
        assert!(since.elapsed() < Duration::from_secs(8), "{left} bytes stay");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What peers that do not read have made us queue is the system's again within seconds of their
/// end, though the allocator would keep it.
#[test]
fn memory_of_an_attack_goes_back() {
    let _turn = turn();
    let service = Service::new(Limits { send_queue_max: 2 << 20, ..Limits::default() });
    let mut witness = Client::connect(service.port);
    let before = resident();
    // Echoes that are referred to, and such as are copied into the connections' own queues.
    for len in [64 << 10, 8_000] {
        let message = frame(BINARY, vec![b'x'; len]);
        let open = |_| (Client::connect(service.port).stream, 0);
        let mut streams: Vec<(TcpStream, usize)> = (0..250).map(open).collect();
        for (stream, _) in &streams {
            stream.set_nonblocking(true).expect("a socket");
        }
        // All by turns, so that the blocks of one lie between those of others.
        until("200 MiB more, which is an attack", || {
            for (stream, at) in &mut streams {
                let sent = stream.write(&message[*at..]).unwrap_or(0);
                *at = (*at + sent) % message.len();
            }
            resident() > before + 200 * MIB
        });
        witness.echoes(BINARY, "ok");
        drop(streams);
    }
    // What the pool keeps of small vectors, and what the allocator has in pages that are in use.
    goes_back(before, 40 * MIB);
    witness.echoes(BINARY, "ok");
    let mut heads: Vec<TcpStream> = (0..5_000).map(|_| tcp(service.port)).collect();
    for head in &mut heads {
        head.write_all(b"GET / HTTP/1.1\r\nX: ").expect("a head");
        head.write_all(&[b'x'; 15_000]).expect("more of it");
    }
    witness.echoes(BINARY, "ok");
    drop(heads);
    goes_back(before, 40 * MIB);
    drop(witness);
    service.quiesce();
}
