//! The simulated kernel itself: it moves bytes, and it notices who breaks the contract.

use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Nobody outside but what the test does.
struct Nobody;

impl World for Nobody {
    fn step(&mut self, _: &mut Net) -> Option<Tick> {
        None
    }
}

const TOKEN: Token = Token { slot: 1, generation: 1 };
const WILD: Faults = Faults {
    delay: 300,
    short: 700,
    disarm: 300,
    receive_error: 0,
    send_error: 0,
    accept_error: 0,
    connect_error: 0,
    connect_hang: 0,
    hold: 300,
    spurious: 100,
    death: 0,
    stall: 0,
    wake: 300,
    gather: 300,
};

fn sim(seed: u64, faults: Faults) -> Sim {
    Sim::new(SimConfig {
        choices: Choices::from_seed(seed),
        faults,
        listeners: 1,
        sockets_max: 4,
        buffers: 2,
        buffer_size: 64,
        large: (2, 1000),
        index: 0,
        wakers: [Waker::new().expect("an eventfd")].into(),
        world: Box::new(Nobody),
    })
}

/// Waits until something comes that is not a wake-up.
fn next(sim: &mut Sim) -> Vec<Completion> {
    let mut completions = Vec::new();
    while completions.is_empty() {
        sim.wait(Some(Duration::from_secs(1)), &mut completions).expect("a kernel that lives");
        completions.retain(|completion| !matches!(completion, Completion::Woken));
    }
    completions
}

/// A connection, and a kernel with no accept out.
fn connected(seed: u64, faults: Faults) -> (Sim, Socket, Peer) {
    let mut sim = sim(seed, Faults::NONE);
    let peer = sim.net().connect(0).expect("a listener");
    sim.accept(0);
    let accepted = match next(&mut sim).pop() {
        Some(Completion::Accepted { result: Ok(accepted), .. }) => accepted,
        other => panic!("{other:?}"),
    };
    sim.net().faults = faults;
    (sim, accepted.socket, peer)
}

fn batch(bytes: &[u8]) -> Batch {
    Batch::new(bytes.to_vec())
}

#[test]
fn bytes_arrive_in_order_whatever_goes_wrong() {
    let sent: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    for seed in 0..50 {
        let (mut sim, socket, peer) = connected(seed, WILD);
        assert_eq!(sim.net().write(peer, &sent), sent.len());
        sim.net().end(peer);
        sim.receive(socket, TOKEN);
        let mut came = Vec::new();
        let mut ended = false;
        while !ended {
            for completion in next(&mut sim) {
                let Completion::Received { result, more, .. } = completion else { continue };
                match result.expect("no error was asked for") {
                    Some(mut lease) => {
                        came.extend_from_slice(sim.bytes(&mut lease));
                        sim.release(lease);
                    }
                    None => ended = true,
                }
                if !more && !ended {
                    sim.receive(socket, TOKEN);
                }
            }
        }
        assert!(came == sent, "seed {seed}");
        assert_eq!((sim.free_buffers(), sim.leases_out()), (4, 0));
    }
}

#[test]
fn a_cancelled_receive_ends_once_and_loses_nothing() {
    for seed in 0..200 {
        let (mut sim, socket, peer) = connected(seed, WILD);
        sim.net().write(peer, b"x");
        sim.receive(socket, TOKEN);
        sim.cancel_receive(TOKEN);
        let (mut finals, mut bytes) = (0, 0);
        while finals == 0 {
            for completion in next(&mut sim) {
                let Completion::Received { result, more, .. } = completion else { continue };
                finals += usize::from(!more);
                if let Ok(Some(lease)) = result {
                    bytes += lease.len();
                    sim.release(lease);
                }
            }
        }
        let left = sim.net.links[peer.0].up.len();
        assert_eq!((finals, bytes + left), (1, 1), "seed {seed}");
    }
}

#[test]
fn a_socket_that_is_closed_with_bytes_unread_resets_its_peer() {
    let (mut sim, socket, peer) = connected(1, Faults::NONE);
    sim.net().write(peer, b"unread");
    sim.close(socket, TOKEN);
    assert!(matches!(next(&mut sim)[..], [Completion::Closed { token: TOKEN }]));
    assert_eq!(sim.net().seen(peer), Seen::Reset);
    assert_eq!(sim.open_sockets(), 0);
}

/// What a reactor may not do, and what it then hears.
#[test]
fn breaches_of_the_contract_are_noticed() {
    type Breach = fn(&mut Sim, Socket);
    let breaches: [(&str, Breach); 9] = [
        ("a second receive on one socket", |sim, socket| {
            sim.receive(socket, TOKEN);
            sim.receive(socket, Token { slot: 2, ..TOKEN });
        }),
        ("a second send on one socket", |sim, socket| {
            sim.send(socket, TOKEN, batch(b"a"));
            sim.send(socket, TOKEN, batch(b"b"));
        }),
        ("an empty batch was sent", |sim, socket| sim.send(socket, TOKEN, batch(b""))),
        ("a socket was closed under a receive", |sim, socket| {
            sim.receive(socket, TOKEN);
            sim.close(socket, TOKEN);
        }),
        ("a socket was closed under a send", |sim, socket| {
            sim.send(socket, TOKEN, batch(b"a"));
            sim.close(socket, TOKEN);
        }),
        ("a socket was closed twice", |sim, socket| {
            sim.close(socket, TOKEN);
            sim.close(socket, TOKEN);
        }),
        ("use of a socket that is not open", |sim, socket| {
            sim.close(socket, TOKEN);
            next(sim);
            sim.receive(socket, TOKEN);
        }),
        ("send after the direction was ended", |sim, socket| {
            sim.shutdown_send(socket);
            sim.send(socket, TOKEN, batch(b"a"));
        }),
        ("an accept without room for what it brings", |sim, _| {
            for _ in 0..4 {
                sim.accept(0);
            }
        }),
    ];
    for (what, breach) in breaches {
        let (mut sim, socket, _) = connected(1, Faults::NONE);
        let heard = catch_unwind(AssertUnwindSafe(|| breach(&mut sim, socket)));
        let heard = heard.expect_err(what);
        let text = heard.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| heard.downcast_ref::<String>().cloned()).expect("a message");
        assert!(text.contains(what), "{what}: {text}");
    }
}

#[test]
fn a_lease_that_is_lost_is_counted() {
    let (mut sim, socket, peer) = connected(1, Faults::NONE);
    sim.net().write(peer, b"x");
    sim.receive(socket, TOKEN);
    let completions = next(&mut sim);
    assert_eq!((sim.leases_out(), sim.free_buffers()), (1, 3));
    drop(completions);
    assert_eq!(sim.leases_out(), 1, "dropping it gives nothing back");
}

/// Accepts that are being cancelled may still bring somebody, each of them.
#[test]
fn a_cancel_of_accepts_loses_its_race_now_and_then() {
    let mut brought = [0; 3];
    for seed in 0..200 {
        let mut sim = sim(seed, WILD);
        sim.net().connect(0).expect("a listener");
        sim.net().connect(0).expect("a listener");
        sim.accept(0);
        sim.accept(0);
        assert_eq!(sim.room(), 2);
        sim.cancel_accept(0);
        let (mut ended, mut came) = (0, 0);
        while ended < 2 {
            for completion in next(&mut sim) {
                let Completion::Accepted { result, .. } = completion else { continue };
                ended += 1;
                came += usize::from(result.is_ok());
            }
        }
        assert_eq!(sim.room(), 4 - came);
        brought[came] += 1;
    }
    assert!(brought.iter().all(|&seeds| seeds > 0), "{brought:?}");
}
