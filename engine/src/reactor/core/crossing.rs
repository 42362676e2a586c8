//! What is published while one process succeeds another reaches the members of both, and each of
//! them once, also while it moves.
//!
//! Between two processes is a lane. What is published in either is delivered there as ever, gets
//! the next number of its process, and goes to the other one, where it is delivered when it comes.
//! So each process delivers both streams, either of them in the order of its numbers, and how far
//! it is in both is a [`Cut`]. A connection that leaves has heard all before the cut at which it
//! does, and nothing behind it. Where it comes to, what was delivered lately is kept, and it gets
//! all that lies behind its cut.
//!
//! All of it under one lock, inside those of the topics, but only while there is a lane.

use super::lane::{Entry, Lane, OUT_MAX, Out, weight};
use super::mail::Publication;
use super::name::{CallError, Conn};
use super::seam::{Cut, Seam};
use crate::bus::Name;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// All lanes of an engine: mostly none; one to the process before it, one to the next.
#[derive(Default)]
pub(crate) struct Crossings {
    any: AtomicBool,
    lanes: Mutex<Lanes>,
    /// Something goes out, or a lane closes.
    news: Condvar,
}

#[derive(Default)]
struct Lanes {
    all: Vec<Lane>,
    last: u64,
}

impl Lanes {
    fn of(&mut self, id: u64) -> Option<&mut Lane> {
        self.all.iter_mut().find(|lane| lane.id == id)
    }
}

/// What a connection has missed on its way.
pub(crate) struct Missed {
    /// With the names of their topics, in the order in which they were delivered here.
    pub(crate) all: Vec<(Name, Arc<Publication>)>,
    /// Nothing of it was thrown away.
    pub(crate) is_whole: bool,
}

/// Where a message comes from that was published in another process.
#[derive(Clone, Copy)]
pub(crate) struct From {
    pub(crate) lane: u64,
    /// The number of the handle there that does not get it.
    pub(crate) except: u64,
}

impl Crossings {
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        // No code that can panic runs under the lock; a poisoned one is still consistent.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lane begins. What was being published may pass it by until each topic's lock was had.
    pub(crate) fn begin(&self, bus: Option<Box<[u8]>>) -> u64 {
        let mut lanes = self.lock();
        lanes.last += 1;
        let id = lanes.last;
        lanes.all.push(Lane::new(id, bus));
        self.any.store(true, Ordering::Relaxed);
        id
    }

    /// To publish, under the topic's lock, which those who begin have had; `None`: no lane.
    #[inline]
    pub(crate) fn open(&self) -> Option<Open<'_>> {
        self.any.load(Ordering::Relaxed).then(|| Open { lanes: self.lock(), of: self })
    }

    /// Where a reactor is in both streams: with what `take` takes out of its mailbox it has all
    /// before that, and nothing behind it.
    pub(crate) fn cut(&self, lane: u64, take: impl FnOnce()) -> Option<Seam> {
        let mut lanes = self.lock();
        take();
        let of = lanes.of(lane)?;
        let (cut, kept) = (of.at, Arc::clone(&of.kept));
        Some(Seam { lane, cut, was: 0, was_theirs: false, _kept: kept })
    }

    /// For one that has left the other process there.
    pub(crate) fn seam(&self, lane: u64, cut: Cut, was: u64) -> Option<Seam> {
        let kept = Arc::clone(&self.lock().of(lane)?.kept);
        Some(Seam { lane, cut, was, was_theirs: true, _kept: kept })
    }

    /// What a connection has missed that is `conn` here from now on. What lies in the mailbox of
    /// its reactor, out of which `take` takes it, is not for it; what comes later is.
    pub(crate) fn missed(&self, seam: &Seam, conn: Conn, take: impl FnOnce()) -> Missed {
        let mut lanes = self.lock();
        take();
        let Some(lane) = lanes.of(seam.lane) else {
            return Missed { all: Vec::new(), is_whole: false };
        };
        if seam.was_theirs {
            lane.were.insert(seam.was, conn);
        }
        let first = lane.entries.partition_point(|entry| seam.cut.reaches(entry.at));
        let is_its = |entry: &&Entry| {
            let has_heard = match entry.is_theirs {
                true => entry.at.theirs <= seam.cut.theirs,
                false => entry.at.ours <= seam.cut.ours,
            };
            let is_excepted = entry.except == seam.was && entry.is_theirs == seam.was_theirs;
            !has_heard && !is_excepted
        };
        let all = lane.entries.range(first..).filter(is_its);
        let all = all.map(|entry| (Name::clone(&entry.topic), Arc::clone(&entry.what))).collect();
        Missed { all, is_whole: seam.cut.reaches(lane.lost) }
    }

    /// Who that is here who had such a handle in the other process.
    pub(crate) fn who_was(&self, lane: u64, was: u64) -> Option<Conn> {
        self.lock().of(lane)?.were.get(&was).copied()
    }

    /// Whether what is published on a topic, whose names begin so on our bus, does not cross, or
    /// comes from elsewhere as well.
    pub(crate) fn is_on_a_bus(&self, lane: u64, topic: &[u8], is_on_ours: bool) -> bool {
        let mut lanes = self.lock();
        let bus = lanes.of(lane).and_then(|lane| lane.bus.as_deref());
        is_on_ours || bus.is_some_and(|prefix| topic.starts_with(prefix))
    }

    /// What came over a lane cannot be delivered here.
    pub(crate) fn pass_over(&self, lane: u64) {
        if let Some(lane) = self.lock().of(lane) {
            lane.at.theirs += 1;
        }
    }

    /// The number of what comes next over a lane.
    pub(crate) fn upcoming(&self, lane: u64) -> u64 {
        self.lock().of(lane).map_or(0, |lane| lane.at.theirs + 1)
    }

    /// Waits until something goes out, or for so long; `false`: nothing ever will.
    pub(crate) fn wait(&self, lane: u64, patience: Duration) -> bool {
        let mut lanes = self.lock();
        let idle = |lanes: &mut Lanes| {
            lanes.of(lane).is_some_and(|lane| lane.out.is_empty() && !lane.closing)
        };
        if idle(&mut lanes) {
            let waited = self.news.wait_timeout_while(lanes, patience, |lanes| idle(lanes));
            lanes = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        lanes.of(lane).is_some_and(|lane| !lane.closing || !lane.out.is_empty())
    }

    /// What goes out.
    pub(crate) fn take(&self, lane: u64) -> VecDeque<Out> {
        let mut lanes = self.lock();
        let Some(lane) = lanes.of(lane) else { return VecDeque::new() };
        lane.out_bytes = 0;
        std::mem::take(&mut lane.out)
    }

    /// The other process does not hear any more.
    pub(crate) fn mute(&self, lane: u64) {
        if let Some(lane) = self.lock().of(lane) {
            (lane.sends, lane.out_bytes) = (false, 0);
            lane.out.clear();
        }
    }

    /// No connection comes any more but those that are under way.
    pub(crate) fn all_have_moved(&self, lane: u64) {
        if let Some(lane) = self.lock().of(lane) {
            lane.moves = false;
        }
    }

    /// A lane ends, when what is to go out has.
    pub(crate) fn close(&self, lane: u64) {
        let mut lanes = self.lock();
        if let Some(lane) = lanes.of(lane) {
            (lane.moves, lane.closing) = (false, true);
        }
        self.forget(&mut lanes);
        self.news.notify_all();
    }

    /// All do: the engine has ended.
    pub(crate) fn close_all(&self) {
        for lane in &mut self.lock().all {
            (lane.moves, lane.closing) = (false, true);
        }
        self.news.notify_all();
    }

    fn forget(&self, lanes: &mut Lanes) {
        lanes.all.retain(|lane| !lane.is_over());
        self.any.store(!lanes.all.is_empty(), Ordering::Relaxed);
    }
}

/// While something is published.
pub(crate) struct Open<'a> {
    lanes: MutexGuard<'a, Lanes>,
    of: &'a Crossings,
}

impl Open<'_> {
    /// # Errors
    /// [`CallError::MailboxFull`]: too much waits for another process.
    pub(crate) fn check(
        &self,
        topic: &[u8],
        what: &Publication,
        is_on_bus: bool,
        from: Option<From>,
    ) -> Result<(), CallError> {
        let weight = weight(topic, what);
        let is_full = |lane: &Lane| {
            let goes = lane.sends && from.is_none_or(|from| from.lane != lane.id);
            let goes = goes && !lane.leaves_to_bus(topic, is_on_bus);
            goes && lane.out_bytes > 0 && lane.out_bytes + weight > OUT_MAX
        };
        match self.lanes.all.iter().any(is_full) {
            true => Err(CallError::MailboxFull),
            false => Ok(()),
        }
    }

    /// It is in the mailboxes, as members get it `placed`, and goes out as it is.
    pub(crate) fn put(
        mut self,
        topic: &[u8],
        (placed, what): (&Arc<Publication>, &Arc<Publication>),
        is_on_bus: bool,
        from: Option<From>,
    ) {
        let topic: Name = topic.into();
        for lane in &mut self.lanes.all {
            if lane.leaves_to_bus(&topic, is_on_bus) {
                continue;
            }
            let came = from.filter(|from| from.lane == lane.id);
            match came {
                Some(_) => lane.at.theirs += 1,
                None => lane.at.ours += 1,
            }
            if came.is_none() && lane.sends && !lane.closing {
                let (number, what) = (lane.at.ours, Arc::clone(what));
                lane.out_bytes += weight(&topic, &what);
                lane.out.push_back(Out { number, topic: Name::clone(&topic), what });
            }
            let except = came.map_or(what.except.to_bits(), |from| from.except);
            let (at, is_theirs, what) = (lane.at, came.is_some(), Arc::clone(placed));
            lane.keep(Entry { at, is_theirs, topic: Name::clone(&topic), what, except });
        }
        let Self { lanes, of } = &mut self;
        of.forget(lanes);
        of.news.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Outgoing;
    use crate::proto::Opcode;
    use crate::reactor::core::mail::Manner;

    const HERE: Conn = Conn::new(0, 7, 1);

    fn put(crossings: &Crossings, text: &str, from: Option<From>, except: Option<Conn>) {
        let message = Outgoing::copied(Opcode::Text, text.as_bytes());
        let what = Arc::new(Publication::new(&message, except, Manner::Queued));
        let open = crossings.open().expect("a lane");
        open.check(b"t", &what, false, from).expect("room");
        open.put(b"t", (&what, &what), false, from);
    }

    fn texts(missed: &Missed) -> Vec<&str> {
        let text = |of: &'_ (Name, Arc<Publication>)| of.1.message.payload().len();
        let lens = missed.all.iter().map(text);
        lens.map(|len| ["", "a", "bb", "ccc", "dddd", "eeeee", "ffffff"][len]).collect()
    }

    fn went_out(crossings: &Crossings, lane: u64) -> Vec<(u64, usize)> {
        let out = crossings.take(lane);
        out.iter().map(|out| (out.number, out.what.message.payload().len())).collect()
    }

    #[test]
    fn what_lies_behind_a_cut_is_missed_and_nothing_else() {
        let crossings = Crossings::default();
        assert!(crossings.open().is_none());
        let lane = crossings.begin(None);
        let there = |except| Some(From { lane, except });
        put(&crossings, "a", None, None);
        put(&crossings, "bb", there(0), None);
        // Who has heard "a" and not "bb", and had number 9 there.
        let cut = Cut { ours: 1, theirs: 0 };
        let seam = crossings.seam(lane, cut, 9).expect("a lane");
        put(&crossings, "ccc", None, Some(Conn::from_bits(9)));
        put(&crossings, "dddd", there(9), None);
        put(&crossings, "eeeee", there(8), None);
        let missed = crossings.missed(&seam, HERE, || ());
        assert!(missed.is_whole);
        assert_eq!(texts(&missed), ["bb", "ccc", "eeeee"]);
        assert_eq!((crossings.who_was(lane, 9), crossings.who_was(lane, 8)), (Some(HERE), None));
        let seam = crossings.cut(lane, || ()).expect("a lane");
        let seam = Seam { was: 5, ..seam };
        assert_eq!(seam.cut, Cut { ours: 2, theirs: 3 });
        put(&crossings, "ffffff", None, None);
        assert_eq!(texts(&crossings.missed(&seam, HERE, || ())), ["ffffff"]);
        assert_eq!(went_out(&crossings, lane), [(1, 1), (2, 3), (3, 6)]);
    }

    #[test]
    fn each_lane_gets_what_the_others_bring() {
        let crossings = Crossings::default();
        let (one, two) = (crossings.begin(None), crossings.begin(Some(b"bus."[..].into())));
        put(&crossings, "a", None, None);
        put(&crossings, "bb", Some(From { lane: one, except: 0 }), None);
        put(&crossings, "ccc", Some(From { lane: two, except: 0 }), None);
        assert_eq!(went_out(&crossings, one), [(1, 1), (2, 3)]);
        assert_eq!(went_out(&crossings, two), [(1, 1), (2, 2)]);
        let message = Outgoing::copied(Opcode::Text, b"d");
        let what = Arc::new(Publication::new(&message, None, Manner::Queued));
        crossings.open().expect("lanes").put(b"bus.t", (&what, &what), true, None);
        crossings.open().expect("lanes").put(b"bus.t", (&what, &what), false, None);
        assert_eq!(went_out(&crossings, one).len(), 2);
        assert_eq!(went_out(&crossings, two).len(), 1, "the bus brings the other one");
        [one, two].into_iter().for_each(|lane| crossings.close(lane));
        assert!(crossings.open().is_none(), "nothing is left of them");
    }

    #[test]
    fn what_waits_and_what_is_kept_is_bounded() {
        let crossings = Crossings::default();
        let lane = crossings.begin(None);
        let message = Outgoing::copied(Opcode::Text, &[b'x'; 1 << 20]);
        let what = Arc::new(Publication::new(&message, None, Manner::Queued));
        let seam = crossings.seam(lane, Cut::default(), 1).expect("a lane");
        let publish = || {
            let open = crossings.open().expect("a lane");
            open.check(b"t", &what, false, None)?;
            open.put(b"t", (&what, &what), false, None);
            Ok::<(), CallError>(())
        };
        assert!(crossings.missed(&seam, HERE, || ()).is_whole);
        let many = (0..100).take_while(|_| publish().is_ok()).count();
        assert_eq!(many, 63, "so many fit into what may wait");
        let missed = crossings.missed(&seam, HERE, || ());
        assert_eq!((missed.all.len(), missed.is_whole), (31, false));
        assert_eq!(crossings.take(lane).len(), 63);
        assert!(publish().is_ok(), "there is room again");
        crossings.close(lane);
        crossings.mute(lane);
        drop(seam);
        assert!(publish().is_ok() && crossings.open().is_none(), "nobody is under way any more");
    }
}
