//! Peers that stall: who does not read, who stops inside something, who comes with all others.

use super::{ALL_WAIT, Kind, PLAIN};
use crate::campaign::crew::{Crew, Pace};
use crate::campaign::message::Sizes;
use crate::campaign::oracle::{Manner, UNCOUNTED};
use crate::campaign::scene::Scene;
use crate::error::{Error, Result};
use crate::handshake;
use crate::tls::{Blocking, Session};
use rustix::process::Signal;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

const BULKY: Sizes = Sizes { least: 4 << 10, most: 32 << 10 };

pub(super) const WINDOW: Kind = Kind {
    name: "zero-window",
    what: "12 clients stop reading for less than the idle timeout of 3 s, 12 for good, all with \
           messages under way: the former get everything, the latter are ended and told.",
    prepare: |scene| {
        scene.word("idle_ms=3000");
        Ok(())
    },
    act: |scene| {
        let mut plan = scene.crew(12, Pace::Window(64), BULKY)?;
        plan.patience = Duration::from_secs(10);
        let for_good = scene.crew(12, Pace::Window(256), BULKY)?;
        let (short, long) = (Crew::start(plan), Crew::start(for_good));
        short.wait_open(12, Duration::from_secs(5));
        long.wait_open(12, Duration::from_secs(5));
        scene.sleep(Duration::from_millis(300))?;
        let before = scene.stat("ringws_connections")?;
        scene.begin();
        long.signals().reading.store(false, Relaxed);
        for _ in 0..2 {
            short.signals().reading.store(false, Relaxed);
            scene.sleep(Duration::from_millis(1_500))?;
            short.signals().reading.store(true, Relaxed);
            scene.sleep(Duration::from_millis(500))?;
        }
        let ended = scene.wait_until(Duration::from_secs(9), |scene| {
            Ok(scene.stat("ringws_connections")? + 12 <= before)
        })?;
        scene.end();
        scene.must(ended, "the server keeps connections that make no progress");
        let stuck = scene.stat("ringws_ends_total.stuck")?;
        scene.note(format!("{stuck} ended as stuck"));
        scene.must(stuck == 12, format!("{stuck} of 12 ended as stuck"));
        scene.books_of(Manner::Polite, short.finish()?);
        scene.books_of(Manner::Concerned, long.finish()?);
        Ok(())
    },
    ..PLAIN
};

pub(super) const TLS: Kind = Kind {
    name: "tls-stalls",
    what: "30 peers stop inside the first record of TLS, 30 inside a record of an open connection: \
           the handshake timeout of 1.5 s and the idle timeout of 2 s end them.",
    prepare: |scene| {
        let certificate = scene.programs.certificate.clone();
        scene.word("handshake_ms=1500");
        scene.word("idle_ms=2000");
        encrypted(scene, &certificate)
    },
    act: |scene| {
        let server = scene.subject()?.address;
        let secure = (server.ip(), scene.secure_port);
        let connect = || TcpStream::connect(secure).map_err(Error::io("connecting by TLS"));
        let config = crate::tls::client()?;
        let mut peers = Vec::new();
        for index in 0..60 {
            let mut socket = connect()?;
            if index % 2 == 0 {
                // A handshake record of 512 bytes, of which ten come.
                socket
                    .write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 0, 0, 0, 0])
                    .map_err(Error::io("the begin of a record"))?;
                peers.push(socket);
                continue;
            }
            let mut hello = Vec::new();
            let mut session = Session::begin(&config, &mut hello)?;
            socket.write_all(&hello).map_err(Error::io("a greeting"))?;
            let mut tls = Blocking::new(&mut socket, &mut session);
            tls.shake_hands()?;
            tls.write_all(&handshake::request(server, &format!("/{UNCOUNTED}")))
                .map_err(Error::io("a request"))?;
            handshake::read_response(&mut tls)?;
            // An application record of 255 bytes, of which ten come.
            socket
                .write_all(&[23, 3, 3, 0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
                .map_err(Error::io("the begin of a record"))?;
            peers.push(socket);
        }
        let begin = Instant::now();
        let before = scene.stat("ringws_connections")?;
        let ended = scene.wait_until(Duration::from_secs(8), |scene| {
            Ok(scene.stat("ringws_connections")? + 60 <= before)
        })?;
        scene.must(ended, "who stopped inside a record is still there");
        scene.end();
        let failed = scene.stat("ringws_tls_failed_total")?;
        scene.note(format!(
            "all ended within {:.1} s, {failed} in the handshake",
            begin.elapsed().as_secs_f64()
        ));
        Ok(())
    },
    ..PLAIN
};

/// The server listens by TLS, too, on a port of its own.
pub(super) fn encrypted(
    scene: &mut Scene<'_>,
    certificate: &crate::tls::Certificate,
) -> Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(Error::io("a port"))?;
    scene.secure_port = listener.local_addr().map_err(Error::io("a port"))?.port();
    scene.word(format!("tls_port={}", scene.secure_port));
    scene.word(format!("certificate={}", certificate.certificate.display()));
    scene.word(format!("key={}", certificate.key.display()));
    Ok(())
}

pub(super) const BACKLOG: Kind = Kind {
    name: "backlog",
    what: "40 connect to a server that is stopped and whose backlog has 8 places on each reactor: \
           SYNs are dropped and come again; when it goes on all are served.",
    prepare: |scene| {
        scene.word("backlog=8");
        Ok(())
    },
    act: |scene| {
        let sizes = scene.small();
        scene.subject()?.signal(Signal::STOP)?;
        let mut plan = scene.crew(40, Pace::Rate(10.0), sizes)?;
        plan.patience = Duration::from_secs(10);
        let crew = Crew::start(plan);
        let slept = scene.sleep(Duration::from_millis(1_500));
        scene.subject()?.signal(Signal::CONT)?;
        slept?;
        scene.end();
        let served = crew.wait_open(40, Duration::from_secs(20));
        scene.must(served, "not all are served when the server goes on");
        scene.sleep(Duration::from_millis(500))?;
        scene.books_of(Manner::Polite, crew.finish()?);
        Ok(())
    },
    limits: ALL_WAIT,
    ..PLAIN
};
