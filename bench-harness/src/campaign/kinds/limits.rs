//! What a process may have at most.

use super::{Kind, PLAIN};
use crate::campaign::crew::{Crew, Pace};
use crate::campaign::oracle::Manner;
use crate::campaign::scene::Scene;
use crate::error::{Error, Result};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use std::time::Duration;

/// No descriptor is left: neither for an accept by epoll nor to shut a direct one down.
pub(super) const DESCRIPTORS: Kind = Kind {
    name: "descriptors",
    what: "RLIMIT_NOFILE is lowered to what is open. Who connects waits, who leaves can leave; \
           with the limit lifted all are served, each message once.",
    act: descriptors,
    ..PLAIN
};

fn descriptors(scene: &mut Scene<'_>) -> Result<()> {
    let (small, pid) = (scene.small(), scene.subject()?.pid());
    let leaving = Crew::start(scene.crew(10, Pace::Rate(20.0), small)?);
    leaving.wait_open(10, Duration::from_secs(5));
    let open = scene.subject()?.descriptors()? as u64;
    let before = limit(pid, Some(open))?;
    let coming = Crew::start(scene.crew(60, Pace::Rate(20.0), small)?);
    let time = scene.duration();
    scene.sleep(time / 2)?;
    scene.books_of(Manner::Polite, leaving.finish()?);
    scene.sleep(time / 2)?;
    let waited = 60 - coming.signals().open.load(std::sync::atomic::Ordering::Relaxed);
    limit(pid, before)?;
    scene.end();
    let served = coming.wait_open(60, Duration::from_secs(5));
    scene.must(served, "not all who waited were served when the limit was lifted");
    scene.sleep(Duration::from_millis(500))?;
    scene.books_of(Manner::Polite, coming.finish()?);
    let paused = scene.stat("ringws_accept_paused_total")?;
    scene.note(format!("{waited} of 60 waited; accepting paused {paused} times"));
    if scene.plan.epoll {
        scene.must(paused > 0 && waited > 0, "accepting has not paused");
    }
    Ok(())
}

/// Sets the soft limit of a process, `None`: as this one's; returns what it was.
fn limit(pid: u32, soft: Option<u64>) -> Result<Option<u64>> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let own = getrlimit(Resource::Nofile);
    let new = Rlimit { current: soft.or(own.current), maximum: own.maximum };
    let before = prlimit(pid, Resource::Nofile, new).map_err(Error::io("prlimit"))?;
    Ok(before.current)
}

/// As many connections as there may be.
pub(super) const TABLE: Kind = Kind {
    name: "table-full",
    what: "The table has room for 20 beside the bystanders, and 20 are there: 15 more connect and \
           wait in the kernel. When the others leave, all are served.",
    prepare: |scene| {
        scene.word("connections_max=40");
        scene.word("reactors=1");
        Ok(())
    },
    act: table,
    ..PLAIN
};

fn table(scene: &mut Scene<'_>) -> Result<()> {
    let small = scene.small();
    let there = Crew::start(scene.crew(20, Pace::Rate(20.0), small)?);
    let full = there.wait_open(20, Duration::from_secs(5));
    scene.must(full, "the table is not as large as was asked for");
    let coming = Crew::start(scene.crew(15, Pace::Rate(20.0), small)?);
    let time = scene.duration();
    scene.sleep(time)?;
    let open = coming.signals().open.load(std::sync::atomic::Ordering::Relaxed);
    scene.must(open == 0, format!("{open} were served though there was no room"));
    scene.books_of(Manner::Polite, there.finish()?);
    scene.end();
    let served = coming.wait_open(15, Duration::from_secs(5));
    scene.must(served, "not all who waited were served when there was room");
    scene.sleep(Duration::from_millis(500))?;
    scene.books_of(Manner::Polite, coming.finish()?);
    let paused = scene.stat("ringws_accept_paused_total")?;
    scene.note(format!("accepting paused {paused} times"));
    scene.must(paused > 0, "accept_paused has not counted it");
    Ok(())
}
