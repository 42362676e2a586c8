//! Processes that are stopped or killed, on either side.

use super::{ALL_WAIT, Kind, PLAIN};
use crate::campaign::crew::{Crew, Pace};
use crate::campaign::message::Sizes;
use crate::campaign::oracle::Manner;
use crate::campaign::outside::Outside;
use crate::campaign::scene::BYSTANDERS;
use crate::random::Random;
use rustix::process::Signal;
use std::time::Duration;

const LARGE: Sizes = Sizes { least: 1 << 10, most: 48 << 10 };

/// Clients that have 16 messages in flight each are stopped: what is for them waits.
pub(super) const CLIENTS_STOPPED: Kind = Kind {
    name: "clients-stopped",
    what: "SIGSTOP to a process with 12 connections that have up to 16 messages of 1 to 48 KiB in \
           flight each, then SIGCONT: all of it comes.",
    act: |scene| {
        let plan = scene.crew(12, Pace::Window(16), LARGE)?;
        let outside = Outside::start(&plan, scene.programs)?;
        scene.sleep(Duration::from_millis(600))?;
        scene.begin();
        outside.signal(Signal::STOP)?;
        let time = scene.duration();
        scene.sleep(time)?;
        outside.signal(Signal::CONT)?;
        scene.end();
        scene.sleep(Duration::from_millis(500))?;
        let accounts = outside.finish()?;
        scene.accounts(Manner::Polite, accounts);
        Ok(())
    },
    ..PLAIN
};

/// The server itself.
pub(super) const SERVER_STOPPED: Kind = Kind {
    name: "server-stopped",
    what: "SIGSTOP to the server for longer than its idle timeout of 1.5 s, then SIGCONT: nobody \
           is judged by a time in which nobody was heard, and all that was sent meanwhile is \
           answered.",
    prepare: |scene| {
        scene.word("idle_ms=1500");
        Ok(())
    },
    act: |scene| {
        let small = scene.small();
        let silent = Crew::start(scene.crew(10, Pace::Silent, small)?);
        silent.wait_open(10, Duration::from_secs(5));
        scene.subject()?.signal(Signal::STOP)?;
        let time = scene.duration().max(Duration::from_millis(2_500));
        let slept = scene.sleep(time);
        scene.subject()?.signal(Signal::CONT)?;
        slept?;
        scene.end();
        scene.sleep(Duration::from_millis(2_000))?;
        let pings = silent.finish()?;
        let heard: u64 = pings.accounts.iter().map(|account| account.pings).sum();
        scene.books_of(Manner::Polite, pings);
        scene.note(format!("{heard} Pings to the silent ones"));
        Ok(())
    },
    limits: ALL_WAIT,
    ..PLAIN
};

/// Clients are killed wherever they are in a frame.
pub(super) const CLIENTS_KILLED: Kind = Kind {
    name: "clients-killed",
    what: "SIGKILL, again and again, to a process with 12 connections that send as much as their \
           sockets take: what came whole was delivered in order, and each end is told at once.",
    act: |scene| {
        let mut random = Random(scene.plan.seed);
        let end = std::time::Instant::now() + scene.duration();
        let mut killed = 0;
        while std::time::Instant::now() < end {
            let plan = scene.crew(12, Pace::Flood, LARGE)?;
            let outside = Outside::start(&plan, scene.programs)?;
            scene.sleep(Duration::from_millis(80 + random.below(400)))?;
            outside.kill();
            killed += 1;
            let gone = scene.wait_until(Duration::from_secs(2), |scene| {
                Ok(scene.stat("ringws_connections")? <= BYSTANDERS as u64)
            })?;
            scene.must(gone, "connections of a process that was killed are still there 2 s later");
        }
        scene.end();
        scene.note(format!("{killed} processes were killed"));
        Ok(())
    },
    ..PLAIN
};
