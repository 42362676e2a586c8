//! What the process that the library is in does, or has done to it.

use super::peers::encrypted;
use super::{ALL_WAIT, Kind, LIMITS, Limits, PLAIN};
use crate::campaign::crew::{Crew, Pace};
use crate::campaign::link::Link;
use crate::campaign::message::Sizes;
use crate::campaign::oracle::Manner;
use crate::campaign::space::Space;
use crate::error::Error;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const DAY: i64 = 86_400;
const LARGE: Sizes = Sizes { least: 1 << 10, most: 48 << 10 };

pub(super) const CLOCK: Kind = Kind {
    name: "clock-steps",
    what: "What the server sees of CLOCK_REALTIME steps by a day back, two forth, and so on (a \
           library in front of clock_gettime; the machine's clock stays): with an idle timeout of \
           2 s and 10 silent clients nobody is judged by it.",
    prepare: |scene| {
        let file = scene.directory.join("clock");
        std::fs::write(&file, 0i64.to_ne_bytes()).map_err(Error::io("the clock's file"))?;
        let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let shim = text(&scene.programs.clock);
        scene.launch.environment =
            vec![("LD_PRELOAD".into(), shim), ("CAMPAIGN_CLOCK".into(), text(&file))];
        scene.word("idle_ms=2000");
        Ok(())
    },
    act: |scene| {
        let small = scene.small();
        let silent = Crew::start(scene.crew(10, Pace::Silent, small)?);
        silent.wait_open(10, Duration::from_secs(5));
        let begin = scene.stat("realtime")? as i64;
        scene.begin();
        let end = Instant::now() + scene.duration().max(Duration::from_secs(3));
        let (mut steps, mut seen) = (0, (i64::MAX, i64::MIN));
        while Instant::now() < end {
            let offset = if steps % 2 == 0 { -DAY } else { DAY };
            let file = scene.directory.join("clock");
            // In place: the server has it mapped.
            let mut file = std::fs::File::options()
                .write(true)
                .open(file)
                .map_err(Error::io("the clock's file"))?;
            file.write_all(&offset.to_ne_bytes()).map_err(Error::io("the clock's file"))?;
            steps += 1;
            scene.sleep(Duration::from_millis(400))?;
            let now = scene.stat("realtime")? as i64 - begin;
            seen = (seen.0.min(now), seen.1.max(now));
        }
        scene.end();
        let stepped = seen.0 < -DAY / 2 && seen.1 > DAY / 2;
        scene.must(stepped, format!("the server has not seen the steps: {seen:?}"));
        scene
            .note(format!("{steps} steps; its time of the day was {seen:?} s beside the true one"));
        let crewed = silent.finish()?;
        let pings: u64 = crewed.accounts.iter().map(|account| account.pings).sum();
        scene.books_of(Manner::Polite, crewed);
        // In half of the idle timeout one each, by the clock that does not step.
        scene.must((10..=60).contains(&pings), format!("{pings} Pings to 10 silent clients"));
        Ok(())
    },
    ..PLAIN
};

pub(super) const LOG: Kind = Kind {
    name: "slow-log",
    what: "on_log writes to a pipe that is full and nobody reads, so reactors block in it while \
           TLS handshakes fail; idle timeout 1.5 s. When somebody reads, all goes on and all that \
           was sent is answered.",
    prepare: |scene| {
        let fifo = scene.directory.join("log");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, mode).map_err(Error::io("a FIFO"))?;
        // The server opens it both ways, so it never waits for a reader.
        scene.word(format!("log={}", fifo.display()));
        scene.word("idle_ms=1500");
        let certificate = scene.programs.certificate.clone();
        encrypted(scene, &certificate)
    },
    act: |scene| {
        let fifo = scene.directory.join("log");
        let mut ours = std::fs::File::options()
            .read(true)
            .write(true)
            .open(&fifo)
            .map_err(Error::io("the FIFO"))?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(Error::io("O_NONBLOCK"))?;
        while ours.write(&[b'\n'; 4_096]).is_ok() {}
        let at = (scene.subject()?.address.ip(), scene.secure_port);
        let before = scene.answered();
        let end = Instant::now() + scene.duration();
        while Instant::now() < end {
            if let Ok(mut junk) = TcpStream::connect(at) {
                let _ = junk.write_all(b"this is no TLS, and makes a line in the log\r\n\r\n");
            }
            scene.sleep(Duration::from_millis(50))?;
        }
        let meanwhile = scene.answered() - before;
        // Somebody reads again.
        let reading = Arc::new(AtomicBool::new(true));
        let goes_on = Arc::clone(&reading);
        let drain = std::thread::spawn(move || {
            let mut room = [0; 65_536];
            while goes_on.load(Relaxed) {
                if std::io::Read::read(&mut ours, &mut room).is_err() {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        scene.end();
        let slept = scene.sleep(Duration::from_secs(2));
        let failed = scene.stat("ringws_tls_failed_total");
        let long = scene.stat("ringws_turns_long_total");
        reading.store(false, Relaxed);
        let _ = drain.join();
        slept?;
        let (failed, long) = (failed?, long?);
        scene.note(format!(
            "{failed} handshakes failed, {long} turns were long, {meanwhile} answers meanwhile"
        ));
        scene.must(long > 0, "no reactor was blocked by its log");
        Ok(())
    },
    limits: ALL_WAIT,
    ..PLAIN
};

pub(super) const FORK: Kind = Kind {
    name: "fork",
    what: "The host forks, and the child keeps copies of all descriptors for the time of the \
           fault: connections are made, served and ended meanwhile as ever.",
    act: |scene| {
        let time = scene.duration();
        let seconds = time.as_secs().max(3) + 1;
        let small = scene.small();
        let leaving = Crew::start(scene.crew(20, Pace::Rate(20.0), small)?);
        leaving.wait_open(20, Duration::from_secs(5));
        scene.subject()?.order(&format!("fork {seconds}"))?;
        scene.begin();
        scene.sleep(time / 2)?;
        scene.books_of(Manner::Polite, leaving.finish()?);
        let coming = Crew::start(scene.crew(20, Pace::Rate(20.0), small)?);
        let open = coming.wait_open(20, Duration::from_secs(5));
        scene.must(open, "nobody can connect while the child lives");
        scene.sleep(time / 2)?;
        scene.books_of(Manner::Polite, coming.finish()?);
        scene.sleep(Duration::from_secs(1))?;
        Ok(())
    },
    ..PLAIN
};

pub(super) const STOP: Kind = Kind {
    name: "stopped",
    what: "SIGTERM while 12 clients flood the server and others connect: each is told by a Close \
           or a reset, the server ends in order within its grace of 2 s.",
    prepare: |scene| {
        scene.word("stop_ms=2000");
        scene.word("close_ms=1000");
        Ok(())
    },
    act: |scene| {
        let flood = Crew::start(scene.crew(12, Pace::Flood, LARGE)?);
        flood.wait_open(12, Duration::from_secs(5));
        let coming = Crew::start(scene.crew(50, Pace::Rate(20.0), LARGE)?);
        scene.subject()?.signal(rustix::process::Signal::TERM)?;
        scene.begin();
        scene.ended_within(Duration::from_secs(6))?;
        scene.end();
        scene.books_of(Manner::Concerned, flood.finish()?);
        scene.books_of(Manner::Concerned, coming.finish()?);
        Ok(())
    },
    limits: Limits { ends: Some(0), bystanders: Manner::Concerned, ..ALL_WAIT },
    ..PLAIN
};

pub(super) const DENIED: Kind = Kind {
    name: "uring-denied",
    what: "A seccomp filter forbids io_uring before the start: the engine serves by epoll, and \
           says so.",
    prepare: |scene| {
        scene.word("backend=0");
        scene.word("deny=1");
        Ok(())
    },
    act: |scene| {
        let backend = scene.subject()?.backend.clone();
        scene.must(backend == "epoll", format!("it serves by {backend}"));
        let crew = Crew::start(scene.crew(12, Pace::Window(16), LARGE)?);
        crew.wait_open(12, Duration::from_secs(5));
        let time = scene.duration();
        scene.sleep(time)?;
        scene.books_of(Manner::Polite, crew.finish()?);
        Ok(())
    },
    limits: LIMITS,
    ..PLAIN
};

pub(super) const DENIED_LATER: Kind = Kind {
    name: "uring-denied-later",
    what: "io_uring_enter is forbidden under a running engine: its reactors fail, each connection \
           is told, rws_engine_wait says so, and the process ends in order.",
    lacks: |plan| plan.epoll.then(|| "by epoll there is nothing to deny".into()),
    act: |scene| {
        let crew = Crew::start(scene.crew(12, Pace::Window(16), LARGE)?);
        crew.wait_open(12, Duration::from_secs(5));
        scene.begin();
        scene.subject()?.order("deny")?;
        scene.ended_within(Duration::from_secs(8))?;
        scene.end();
        scene.books_of(Manner::Concerned, crew.finish()?);
        Ok(())
    },
    limits: Limits { ends: Some(1), bystanders: Manner::Concerned, ..ALL_WAIT },
    ..PLAIN
};

pub(super) const PORTS: Kind = Kind {
    name: "ports",
    what: "The engine connects 40 times to a server where 12 local ports are left: each try is \
           told, opened or refused, those without a port with EADDRNOTAVAIL.",
    lacks: |_| Space::new().err().map(|error| format!("{error}: it takes root")),
    prepare: |scene| {
        let (server, clients) = (Space::new()?, Space::new()?);
        let near = Link::new(&server, &clients, 1, 1_500, scene.plan.seed)?;
        server.run(|| {
            let path = "/proc/sys/net/ipv4/ip_local_port_range";
            std::fs::write(path, "40000 40011").map_err(Error::io(path))
        })?;
        scene.launch.space = Some(server);
        scene.launch.address = Some(near.ends[0]);
        scene.clients = Some(clients);
        scene.links = vec![near];
        scene.word("port=9001");
        Ok(())
    },
    act: |scene| {
        let (Some(clients), Some(link)) = (scene.clients.clone(), scene.links.first()) else {
            return Err(Error::Usage("a kind without its link".into()));
        };
        let at = (link.ends[1], 9_002);
        let listener =
            clients.run(|| TcpListener::bind(at).map_err(Error::io("a port to connect to")))?;
        scene.subject()?.order(&format!("dial 40 ws://{}:{}/", at.0, at.1))?;
        let refused = scene
            .wait_until(Duration::from_secs(5), |scene| Ok(scene.stat("dial_refused")? >= 28))?;
        let errno = scene.stat("dial_errno")?;
        scene.must(refused, "not all tries without a port were refused");
        scene.must(errno == 99, format!("they were refused with errno {errno}, not EADDRNOTAVAIL"));
        let time = scene.duration();
        scene.sleep(time / 2)?;
        // Those that are connected wait for a 101 that does not come.
        drop(listener);
        let all = scene.wait_until(Duration::from_secs(8), |scene| {
            Ok(scene.stat("dial_refused")? + scene.stat("dial_closes")? == 40)
        })?;
        scene.must(all, "not all tries were told their end");
        scene.end();
        Ok(())
    },
    ..PLAIN
};
