//! Links between the server and some of its clients. Bystanders have a link of their own, on which
//! nothing happens.

use super::{Kind, PLAIN};
use crate::campaign::crew::{Crew, CrewPlan, Pace};
use crate::campaign::link::{Link, Rules};
use crate::campaign::message::Sizes;
use crate::campaign::oracle::Manner;
use crate::campaign::scene::Scene;
use crate::campaign::space::Space;
use crate::error::{Error, Result};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const FEW: Sizes = Sizes { least: 16, most: 4 << 10 };
/// Clients on the other end of the link.
const FAR: usize = 20;

/// Whether there can be networks and devices.
fn lacks(_: &crate::campaign::Plan) -> Option<String> {
    if let Err(error) = Space::new() {
        return Some(format!("{error}: it takes root"));
    }
    let path = "/dev/net/tun";
    let opened = std::fs::File::options().read(true).write(true).open(path);
    opened.err().map(|error| format!("{path}: {error}"))
}

/// Two networks, a link for bystanders and one for the others.
fn prepare(scene: &mut Scene<'_>) -> Result<()> {
    connect(scene, 1_500)
}

fn connect(scene: &mut Scene<'_>, mtu: u16) -> Result<()> {
    let (server, clients) = (Space::new()?, Space::new()?);
    let near = Link::new(&server, &clients, 1, 1_500, scene.plan.seed)?;
    let far = Link::new(&server, &clients, 2, mtu, scene.plan.seed)?;
    scene.launch.space = Some(server);
    scene.launch.address = Some(near.ends[0]);
    scene.clients = Some(clients);
    scene.links = vec![near, far];
    Ok(())
}

/// The link that the fault is on.
fn far<'s>(scene: &'s Scene<'_>) -> Result<&'s Link> {
    scene.links.get(1).ok_or_else(|| Error::Usage("a kind without its link".into()))
}

/// Clients behind it.
fn behind(scene: &mut Scene<'_>, pace: Pace, sizes: Sizes) -> Result<CrewPlan> {
    let mut plan = scene.crew(FAR, pace, sizes)?;
    plan.server.set_ip(far(scene)?.ends[0].into());
    Ok(plan)
}

/// Clients are there, the link is as said for a while, then as before: all of it comes.
fn all_comes(scene: &mut Scene<'_>, rules: Rules, pace: Pace) -> Result<()> {
    let mut plan = behind(scene, pace, FEW)?;
    plan.patience = Duration::from_secs(20);
    let crew = Crew::start(plan);
    let open = crew.wait_open(FAR as u64, Duration::from_secs(5));
    scene.must(open, "clients get no connection on a link without faults");
    scene.begin();
    far(scene)?.set(rules);
    let time = scene.duration();
    scene.sleep(time)?;
    // New ones come while it is so.
    let mut plan = behind(scene, pace, FEW)?;
    plan.patience = Duration::from_secs(20);
    let coming = Crew::start(plan);
    let open = coming.wait_open(FAR as u64, Duration::from_secs(20));
    scene.must(open, "no connection can be made meanwhile");
    far(scene)?.set(Rules::default());
    scene.end();
    scene.books_of(Manner::Polite, crew.finish()?);
    scene.books_of(Manner::Polite, coming.finish()?);
    note(scene)
}

fn note(scene: &mut Scene<'_>) -> Result<()> {
    let counts = &far(scene)?.counts;
    let (came, lost) = (counts.came.load(Relaxed), counts.lost.load(Relaxed));
    scene.note(format!("{came} packets, {lost} lost on purpose"));
    Ok(())
}

const CALM: Rules = Rules {
    loss: 0.0,
    delay: Duration::ZERO,
    jitter: Duration::ZERO,
    overtakes: false,
    doubled: 0.0,
    spoiled: 0.0,
    cut: [false; 2],
    rate: None,
};

const LINK: Kind = Kind { lacks, prepare, ..PLAIN };

pub(super) const LOSS: Kind = Kind {
    name: "link-loss",
    what: "5 % of the packets of each direction are lost: all messages come, in order.",
    act: |scene| all_comes(scene, Rules { loss: 0.05, ..CALM }, Pace::Rate(20.0)),
    ..LINK
};

pub(super) const DELAY: Kind = Kind {
    name: "link-delay",
    what: "80 ms each way, and up to 80 more: all messages come.",
    act: |scene| {
        let delay = Duration::from_millis(80);
        all_comes(scene, Rules { delay, jitter: delay, ..CALM }, Pace::Rate(20.0))
    },
    ..LINK
};

pub(super) const REORDER: Kind = Kind {
    name: "link-reorder",
    what: "Packets overtake each other within 30 ms, one in ten comes twice: each message comes \
           once, in order.",
    act: |scene| {
        let jitter = Duration::from_millis(30);
        let rules = Rules { jitter, overtakes: true, doubled: 0.1, ..CALM };
        all_comes(scene, rules, Pace::Rate(20.0))
    },
    ..LINK
};

pub(super) const SPOILED: Kind = Kind {
    name: "link-spoiled",
    what: "One bit is wrong in 3 % of the packets: TCP's checksum finds it, no byte of a message \
           is wrong.",
    act: |scene| all_comes(scene, Rules { spoiled: 0.03, ..CALM }, Pace::Rate(20.0)),
    ..LINK
};

pub(super) const NARROW: Kind = Kind {
    name: "link-narrow",
    what: "Packets of at most 296 bytes and 300 KB a second for 40 clients with 4 messages of up \
           to 4 KiB in flight each: all of it comes, however slowly.",
    prepare: |scene| {
        scene.word("handshake_ms=30000");
        connect(scene, 296)
    },
    act: |scene| all_comes(scene, Rules { rate: Some(300_000), ..CALM }, Pace::Window(4)),
    ..LINK
};

pub(super) const FLAPS: Kind = Kind {
    name: "link-flaps",
    what: "The link is down for 0.5 s at a time, shorter than the idle timeout of 6 s: nobody is \
           ended, all messages come.",
    prepare: |scene| {
        scene.word("idle_ms=6000");
        connect(scene, 1_500)
    },
    act: |scene| {
        let mut plan = behind(scene, Pace::Rate(20.0), FEW)?;
        plan.patience = Duration::from_secs(20);
        let crew = Crew::start(plan);
        crew.wait_open(FAR as u64, Duration::from_secs(5));
        scene.begin();
        let end = std::time::Instant::now() + scene.duration();
        while std::time::Instant::now() < end {
            far(scene)?.set(Rules { cut: [true; 2], ..CALM });
            scene.sleep(Duration::from_millis(500))?;
            far(scene)?.set(CALM);
            scene.sleep(Duration::from_millis(1_500))?;
        }
        scene.end();
        scene.books_of(Manner::Polite, crew.finish()?);
        note(scene)
    },
    ..LINK
};

/// The link is gone for longer than anybody waits; whether it comes back.
fn gone(scene: &mut Scene<'_>, cut: [bool; 2], comes_back: bool) -> Result<()> {
    let crew = Crew::start(behind(scene, Pace::Rate(10.0), FEW)?);
    let open = crew.wait_open(FAR as u64, Duration::from_secs(5));
    scene.must(open, "clients get no connection on a link without faults");
    scene.sleep(Duration::from_millis(500))?;
    let before = scene.stat("ringws_connections")?;
    scene.begin();
    far(scene)?.set(Rules { cut, ..CALM });
    let begin = std::time::Instant::now();
    let ended = scene.wait_until(Duration::from_secs(9), |scene| {
        Ok(scene.stat("ringws_connections")? + FAR as u64 <= before)
    })?;
    let took = begin.elapsed();
    scene.must(ended, "the server still has connections to peers that are gone");
    if comes_back {
        far(scene)?.set(CALM);
        scene.end();
        // Who speaks to a connection that is no more is told so by a reset.
        scene.sleep(Duration::from_millis(1_500))?;
        scene.books_of(Manner::Concerned, crew.finish()?);
        let new = Crew::start(behind(scene, Pace::Rate(20.0), FEW)?);
        let open = new.wait_open(FAR as u64, Duration::from_secs(8));
        scene.must(open, "no connection can be made when the link is back");
        scene.sleep(Duration::from_millis(500))?;
        scene.books_of(Manner::Polite, new.finish()?);
    } else {
        scene.end();
        scene.books_of(Manner::Concerned, crew.leave()?);
        far(scene)?.set(CALM);
    }
    scene.note(format!("the server let go of all of them after {:.1} s", took.as_secs_f64()));
    note(scene)
}

pub(super) const HALF_OPEN: Kind = Kind {
    name: "half-open",
    what: "The link goes silent for good: Pings without an answer end the connections within the \
           idle timeout of 2 s and the time of a send that makes no progress.",
    prepare: |scene| {
        scene.word("idle_ms=2000");
        connect(scene, 1_500)
    },
    act: |scene| gone(scene, [true; 2], false),
    ..LINK
};

pub(super) const DOWN: Kind = Kind {
    name: "link-down",
    what: "The link is down for longer than the idle timeout of 2 s, then comes back: both sides \
           have been told, and new connections are served.",
    prepare: |scene| {
        scene.word("idle_ms=2000");
        connect(scene, 1_500)
    },
    act: |scene| gone(scene, [true; 2], true),
    ..LINK
};

pub(super) const ONE_WAY: Kind = Kind {
    name: "link-one-way",
    what: "Only what the server sends is lost: it hears its clients, but what it sends is never \
           acknowledged. user_timeout_ms of 2 s ends that.",
    prepare: |scene| {
        scene.word("user_timeout_ms=2000");
        connect(scene, 1_500)
    },
    act: |scene| gone(scene, [false, true], true),
    ..LINK
};

pub(super) const KEEPALIVE: Kind = Kind {
    name: "half-open-kernel",
    what: "The link goes silent for good under silent connections without an idle timeout: \
           keepalive_s of 1 lets the kernel find it out, in three times as long.",
    prepare: |scene| {
        scene.word("keepalive_s=1");
        scene.word("idle_ms=4294967295");
        connect(scene, 1_500)
    },
    act: |scene| {
        let crew = Crew::start(behind(scene, Pace::Silent, FEW)?);
        crew.wait_open(FAR as u64, Duration::from_secs(5));
        let before = scene.stat("ringws_connections")?;
        far(scene)?.set(Rules { cut: [true; 2], ..CALM });
        let ended = scene.wait_until(Duration::from_secs(9), |scene| {
            Ok(scene.stat("ringws_connections")? + FAR as u64 <= before)
        })?;
        scene.must(ended, "the kernel's keepalive has not ended them");
        scene.end();
        scene.books_of(Manner::Concerned, crew.leave()?);
        far(scene)?.set(CALM);
        note(scene)
    },
    ..LINK
};
