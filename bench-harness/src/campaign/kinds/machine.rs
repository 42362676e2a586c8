//! What a machine has too little of: memory, and time of its processors.

use super::{ALL_WAIT, Kind, LIMITS, Limits, PLAIN};
use crate::campaign::Plan;
use crate::campaign::cgroup::Group;
use crate::campaign::crew::{Crew, Pace};
use crate::campaign::message::Sizes;
use crate::campaign::oracle::Manner;
use crate::campaign::scene::Scene;
use crate::error::{Error, Result};
use rustix::process::{Pid, Signal, kill_process_group, setpriority_process};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const BULKY: Sizes = Sizes { least: 16 << 10, most: 64 << 10 };

/// A program that does one thing until it is dropped.
struct Busy(Child);

impl Busy {
    fn shell(script: &str) -> Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null()).stdout(Stdio::null());
        // A group of its own: what the shell starts ends with it.
        command.process_group(0);
        command.stderr(Stdio::null()).spawn().map(Self).map_err(Error::io("a shell"))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let group = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        let _ = self.0.wait();
    }
}

pub(super) const MEMORY: Kind = Kind {
    name: "memory",
    what: "A memory cgroup leaves the server 96 MiB beyond what it has, memory_max is 24 MiB: 100 \
           clients send without reading. Who holds much is closed with a word, nobody is killed.",
    lacks: |_| Group::lacks("memory"),
    prepare: |scene| {
        scene.word(format!("memory_max={}", 24 * MIB));
        Ok(())
    },
    act: |scene| {
        let group = confined(scene, 96)?;
        flooded(scene, &group)
    },
    ..PLAIN
};

pub(super) const PAGE_CACHE: Kind = Kind {
    name: "page-cache",
    what: "The same, while another process of the cgroup writes files without end, so that each \
           page has to be taken from the page cache.",
    lacks: |_| Group::lacks("memory"),
    prepare: |scene| {
        scene.word(format!("memory_max={}", 24 * MIB));
        Ok(())
    },
    act: |scene| {
        let group = confined(scene, 96)?;
        let file = scene.directory.join("hog");
        let hog = Busy::shell(&format!(
            "while :; do head -c 200000000 /dev/zero >'{}'; done",
            file.display()
        ))?;
        group.take(hog.0.id())?;
        let done = flooded(scene, &group);
        drop(hog);
        let _ = std::fs::remove_file(file);
        done
    },
    limits: Limits { p99_ms: Some(600.0), ..LIMITS },
};

fn confined(scene: &mut Scene<'_>, mib: u64) -> Result<Group> {
    let (resident, pid) = (scene.resident_mib()?, scene.subject()?.pid());
    let group = Group::new("memory", "memory")?;
    group.set("memory.limit_in_bytes", (resident + mib) * MIB)?;
    group.take(pid)?;
    Ok(group)
}

fn flooded(scene: &mut Scene<'_>, group: &Group) -> Result<()> {
    let mut plan = scene.crew(100, Pace::Flood, BULKY)?;
    plan.patience = Duration::from_secs(10);
    scene.begin();
    let crew = Crew::start(plan);
    crew.wait_open(100, Duration::from_secs(5));
    crew.signals().reading.store(false, Relaxed);
    let end = std::time::Instant::now() + scene.duration();
    let (mut most, mut peak) = (0, 0);
    while std::time::Instant::now() < end {
        scene.sleep(Duration::from_millis(100))?;
        most = most.max(scene.resident_mib()?);
        peak = peak.max(scene.stat("ringws_memory")? / MIB);
    }
    // What they have not read they never will: each is told, or leaves.
    scene.books_of(Manner::Concerned, crew.leave()?);
    scene.end();
    let (closed, refused) =
        (scene.stat("ringws_budget_closed_total")?, scene.stat("ringws_budget_refused_total")?);
    let failed = group.get("memory.failcnt")?;
    scene.note(format!(
        "{closed} closed and {refused} refused for memory_max; at most {peak} MiB counted, {most} \
         MiB resident; the cgroup was full {failed} times"
    ));
    scene.must(closed + refused > 0, "memory_max was never reached");
    scene.must(peak <= 32, format!("{peak} MiB were held, 24 are allowed"));
    Ok(())
}

pub(super) const NICE: Kind = Kind {
    name: "nice",
    lacks: lacks_priority,
    what: "The server has niceness 19, four busy loops on two processors do not: it is slow, and \
           nothing is lost or ended.",
    act: |scene| {
        let pid = scene.subject()?.pid();
        renice(pid, 19)?;
        let loops: Result<Vec<_>> = (0..4).map(|_| Busy::shell("while :; do :; done")).collect();
        let loops = loops?;
        scene.begin();
        let time = scene.duration();
        scene.sleep(time)?;
        drop(loops);
        scene.end();
        renice(pid, 0)
    },
    limits: ALL_WAIT,
    ..PLAIN
};

/// Of all threads: `setpriority(2)` of a process is that of its first one.
fn renice(pid: u32, nice: i32) -> Result<()> {
    let path = format!("/proc/{pid}/task");
    for task in std::fs::read_dir(&path).map_err(Error::io(path.as_str()))?.flatten() {
        let name = task.file_name();
        let thread = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        setpriority_process(thread, nice).map_err(Error::io("setpriority"))?;
    }
    Ok(())
}

/// A limit of its own lowers what others may be refused to undo.
fn lacks_priority(_: &Plan) -> Option<String> {
    let root = rustix::process::geteuid().is_root();
    (!root).then(|| "only root may raise a priority again".into())
}

pub(super) const STOLEN: Kind = Kind {
    name: "cpu-stolen",
    what: "A cpu cgroup gives the server 10 ms of every 100 ms, beside 16 messages in flight on \
           each of 20 connections: it is slow, and nothing is lost or ended.",
    lacks: |_| Group::lacks("cpu"),
    act: |scene| {
        let group = Group::new("cpu", "cpu")?;
        group.set("cpu.cfs_period_us", 100_000)?;
        group.set("cpu.cfs_quota_us", 10_000)?;
        let sizes = scene.small();
        let crew = Crew::start(scene.crew(20, Pace::Window(16), sizes)?);
        crew.wait_open(20, Duration::from_secs(5));
        group.take(scene.subject()?.pid())?;
        scene.begin();
        let time = scene.duration();
        scene.sleep(time)?;
        let throttled = std::fs::read_to_string(
            "/sys/fs/cgroup/cpu/".to_owned()
                + &format!("ringws-campaign-{}-cpu/cpu.stat", std::process::id()),
        );
        drop(group);
        scene.end();
        scene.books_of(Manner::Polite, crew.finish()?);
        let line = throttled.unwrap_or_default();
        let count = line.lines().find_map(|line| line.strip_prefix("nr_throttled "));
        scene.note(format!("throttled {} times", count.unwrap_or("?")));
        Ok(())
    },
    limits: ALL_WAIT,
    ..PLAIN
};

pub(super) const BUFFERS: Kind = Kind {
    name: "buffers",
    what: "16 receive buffers of 256 bytes for 1,000 clients that send as they are answered: \
           receives find no buffer (ENOBUFS) all the time; all is received, nobody is forgotten.",
    prepare: |scene| {
        scene.word("recv_buffers=16");
        scene.word("recv_buffer_size=256");
        Ok(())
    },
    act: |scene| {
        let sizes = Sizes { least: 16, most: 6 << 10 };
        let crew = Crew::start(scene.crew(1_000, Pace::Window(1), sizes)?);
        let open = crew.wait_open(1_000, Duration::from_secs(10));
        scene.must(open, "not all have got a connection");
        scene.begin();
        let time = scene.duration();
        scene.sleep(time)?;
        scene.end();
        let crewed = crew.finish()?;
        let each = || crewed.accounts.iter().map(|account| account.answered);
        let (least, most) = (each().min().unwrap_or(0), each().max().unwrap_or(0));
        scene.books_of(Manner::Polite, crewed);
        let waited = scene.stat("ringws_buffers_exhausted_total")?;
        scene.note(format!(
            "{waited} times a receive had to wait; the least served had {least} answers, the most \
             {most}"
        ));
        scene.must(least * 4 >= most, "somebody was served less than a fourth of another");
        if !scene.plan.epoll {
            scene.must(waited > 0, "no receive ever had to wait for a buffer");
        }
        Ok(())
    },
    limits: Limits { growth: 2 << 20, ..ALL_WAIT },
    ..PLAIN
};
