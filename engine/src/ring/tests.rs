//! What needs the inside of the crate: leases that outlive their ring, and signals.

use super::{Completion, Kernel, KernelConfig, Lease, Socket, Token, Uring, Waker};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const TOKEN: Token = Token { slot: 0, generation: 1 };

/// A ring of 16 small buffers with one connection, armed.
fn connected() -> (Uring, Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut kernel = Uring::new(KernelConfig {
        index: 0,
        sockets_max: 10,
        recv_buffers: 16,
        recv_buffer_size: 64,
        sqpoll: false,
        busy_poll: Duration::ZERO,
        coalesce: Duration::ZERO,
        leaves: false,
        listeners: vec![listener.into()],
        wakers: [Waker::new().expect("an eventfd")].into(),
        start: Instant::now(),
    })
    .expect("io_uring");
    kernel.accept(0);
    let stream = TcpStream::connect(address).expect("connected");
    let accepted = next(&mut kernel, |completion| match completion {
        Completion::Accepted { result, .. } => Some(result.expect("accepted")),
        _ => None,
    });
    kernel.receive(accepted.socket, TOKEN);
    (kernel, accepted.socket, stream)
}

/// The first completion that `pick` takes; the test has no use for others.
fn next<T>(kernel: &mut Uring, mut pick: impl FnMut(Completion) -> Option<T>) -> T {
    let start = Instant::now();
    let mut completions = Vec::new();
    while start.elapsed() < Duration::from_secs(10) {
        kernel.wait(Some(Duration::from_millis(20)), &mut completions).expect("works");
        if let Some(found) = completions.drain(..).find_map(&mut pick) {
            return found;
        }
    }
    panic!("nothing came");
}

fn lease(completion: Completion) -> Option<Lease> {
    match completion {
        Completion::Received { result, .. } => result.expect("received"),
        _ => None,
    }
}

#[test]
fn shared_bytes_outlive_the_ring() {
    let (mut kernel, _, mut stream) = connected();
    stream.write_all(b"kept for long").expect("written");
    let mut lease = next(&mut kernel, lease);
    let buffers = kernel.buffers();
    let id = lease.id();
    let kept = buffers.share(id, &kernel.bytes(&mut lease)[5..], 0).expect("below the limit");
    kernel.release(lease);
    drop((kernel, buffers));
    let thread = std::thread::spawn(move || assert_eq!(kept.bytes(), b"for long"));
    thread.join().expect("unchanged");
}

/// All buffers leased or shared: receives starve, yet go on when another thread gives back.
#[test]
fn starved_by_leases_and_revived_from_another_thread() {
    let (mut kernel, _, mut stream) = connected();
    let buffers = kernel.buffers();
    let (mut shared, mut leases, mut total) = (Vec::new(), Vec::new(), 0);
    while shared.len() + leases.len() < 16 {
        stream.write_all(&[1; 128]).expect("written");
        let mut lease = next(&mut kernel, lease);
        let (id, bytes) = (lease.id(), kernel.bytes(&mut lease));
        total += bytes.len();
        match buffers.share(id, bytes, 0) {
            Some(kept) => {
                shared.push(kept);
                kernel.release(lease);
            }
            None => leases.push(lease),
        }
    }
    assert_eq!((shared.len(), leases.len()), (8, 8));
    stream.write_all(&[1; 128]).expect("written");
    let before = kernel.counts().buffers_exhausted;
    let mut completions = Vec::new();
    let start = Instant::now();
    while kernel.counts().buffers_exhausted == before {
        kernel.wait(Some(Duration::from_millis(5)), &mut completions).expect("works");
        assert!(start.elapsed() < Duration::from_secs(5));
    }
    assert!(completions.is_empty(), "starvation is not reported: {completions:?}");
    let enters = kernel.stats().enters;
    let giver = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        drop(shared);
    });
    while total < 17 * 128 {
        let mut lease = next(&mut kernel, lease);
        total += kernel.bytes(&mut lease).len();
        leases.push(lease);
    }
    giver.join().expect("gave back");
    let enters = kernel.stats().enters - enters;
    assert!(enters < 500, "waited without spinning: {enters}");
    leases.into_iter().for_each(|lease| kernel.release(lease));
}

#[test]
fn a_starved_receive_is_cancelled_with_one_report() {
    let (mut kernel, socket, mut stream) = connected();
    let mut leases = Vec::new();
    stream.write_all(&[1; 128 * 17]).expect("written");
    while kernel.counts().buffers_exhausted == 0 {
        let mut completions = Vec::new();
        kernel.wait(Some(Duration::from_millis(5)), &mut completions).expect("works");
        leases.extend(completions.into_iter().filter_map(lease));
    }
    kernel.cancel_receive(TOKEN);
    kernel.cancel_receive(TOKEN);
    let mut completions = Vec::new();
    for _ in 0..3 {
        kernel.wait(Some(Duration::from_millis(2)), &mut completions).expect("works");
    }
    let [Completion::Received { token: TOKEN, result: Err(super::Errno::CANCELED), more: false }] =
        completions[..]
    else {
        panic!("one final report: {completions:?}");
    };
    leases.into_iter().for_each(|lease| kernel.release(lease));
    kernel.close(socket, TOKEN);
    next(&mut kernel, |completion| matches!(completion, Completion::Closed { .. }).then_some(()));
    let end = stream.read(&mut [0]);
    assert!(end.is_err() || end.is_ok_and(|len| len == 0));
}

#[test]
fn a_signal_handler_may_wake() {
    static WAKER: OnceLock<Arc<[Waker]>> = OnceLock::new();
    extern "C" fn handler(_: libc::c_int) {
        if let Some(wakers) = WAKER.get() {
            wakers[0].wake();
        }
    }
    let (mut kernel, ..) = connected();
    WAKER.get_or_init(|| Arc::clone(&kernel.wakers));
    let handler: extern "C" fn(libc::c_int) = handler;
    // SAFETY: the handler does nothing but a write, and leaves errno as it was.
    unsafe { libc::signal(libc::SIGUSR2, handler as libc::sighandler_t) };
    // SAFETY: it has no precondition.
    let this = unsafe { libc::pthread_self() };
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        // SAFETY: `this` is alive: it joins us.
        unsafe { libc::pthread_kill(this, libc::SIGUSR2) }
    });
    // The signal interrupts the wait, which is not an error either.
    next(&mut kernel, |completion| matches!(completion, Completion::Woken).then_some(()));
    assert_eq!(thread.join().expect("sent"), 0);
}
