//! What of a run that fails is needed for that: the same seed with fewer connections, messages,
//! kinds of faults and less time, as long as it fails at the same place.

use ringws_engine::sim::{Less, Trace};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex, Once};

/// Lines of a trace that are shown.
const LINES: usize = 40;

thread_local! {
    /// Where this thread has failed, and why, while it is watched.
    static FAILED: RefCell<Option<String>> = const { RefCell::new(None) };
    static WATCHED: RefCell<bool> = const { RefCell::new(false) };
}

/// Plays something without a word: how it has failed, if it has. Its first line says where.
pub(crate) fn failure(play: impl FnOnce()) -> Option<String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| match WATCHED.with_borrow(|watched| *watched) {
            true => FAILED.with_borrow_mut(|failed| _ = failed.get_or_insert(info.to_string())),
            false => before(info),
        }));
    });
    WATCHED.set(true);
    FAILED.set(None);
    let played = catch_unwind(AssertUnwindSafe(play));
    WATCHED.set(false);
    played.is_err().then(|| FAILED.take().expect("the hook was called"))
}

pub(crate) fn place(failure: &str) -> &str {
    failure.lines().next().unwrap_or_default()
}

/// The least that fails as the whole does, and how; `None` if the whole does not fail.
pub(crate) fn shrink(play: impl Fn(Less, Option<Trace>)) -> Option<(Less, String)> {
    let whole = failure(|| play(Less::WHOLE, None))?;
    let fails = |less: Less| {
        let failed = failure(|| play(less, None));
        failed.is_some_and(|failed| place(&failed) == place(&whole))
    };
    let mut less = Less::WHOLE;
    loop {
        let before = less;
        less.without =
            most(Less::CONNECTIONS, less.without, |without| fails(Less { without, ..less }));
        less.messages = least(less.messages, |messages| fails(Less { messages, ..less }));
        less.calm_at = least(less.calm_at, |calm_at| fails(Less { calm_at, ..less }));
        less.spared = most(Less::FAULTS, less.spared, |spared| fails(Less { spared, ..less }));
        if less == before {
            return Some((less, story(less, play)));
        }
    }
}

/// Sets as many of so many bits as it goes: half of them, then fewer, then one by one.
fn most(bits: u32, mut set: u64, fails: impl Fn(u64) -> bool) -> u64 {
    let mut some = bits.div_ceil(2);
    loop {
        for from in (0..bits).step_by(some as usize) {
            let these = ((1 << some) - 1) << from;
            let more = set | these & ((1 << bits) - 1);
            if more != set && fails(more) {
                set = more;
            }
        }
        if some == 1 {
            return set;
        }
        some = some.div_ceil(2);
    }
}

/// Makes a number as small as it goes: by half of it, then by less, then by one.
fn least(mut number: u64, fails: impl Fn(u64) -> bool) -> u64 {
    let mut step = number.div_ceil(2);
    while step > 0 {
        match number >= step && fails(number - step) {
            true => number -= step,
            false => step /= 2,
        }
    }
    number
}

/// What happens in it: the scenario, the end of its trace, and how it fails.
fn story(less: Less, play: impl Fn(Less, Option<Trace>)) -> String {
    let lines = Arc::new(Mutex::new(VecDeque::new()));
    let into = Arc::clone(&lines);
    let trace = move |line: &str| {
        let mut lines = into.lock().expect("no panic under it");
        lines.push_back(line.to_owned());
        if lines.len() > LINES {
            // The first is the scenario.
            lines.remove(1);
        }
    };
    let failed = failure(|| play(less, Some(Box::new(trace)))).unwrap_or_default();
    let lines = lines.lock().expect("no panic under it");
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    format!("{}\n{failed}", lines.join("\n"))
}

/// A run is told by these numbers, with commas.
pub(crate) fn written(less: Less) -> String {
    let Less { without, messages, calm_at, spared } = less;
    format!("{without},{messages},{calm_at},{spared}")
}

pub(crate) fn read(text: &str) -> Less {
    let numbers: Vec<u64> = text.split(',').map(|n| n.parse().expect("a number")).collect();
    let [without, messages, calm_at, spared] = numbers[..] else { panic!("four numbers: {text}") };
    Less { without, messages, calm_at, spared }
}

/// What is not needed for a failure goes, what is stays; and another failure is another.
#[test]
fn of_a_failure_what_it_needs_remains() {
    let play = |less: Less, trace: Option<Trace>| {
        trace.into_iter().for_each(|mut trace| (0..100).for_each(|n| trace(&format!("line {n}"))));
        assert!(less.spared < 1 << 13, "not this one");
        let has = |connection: u32| less.without >> connection & 1 == 0;
        let fails = has(3) && has(11) && less.messages >= 7 && less.spared & 0b100 == 0;
        assert!(!fails || less.calm_at < 333, "this one");
    };
    let (less, story) = shrink(play).expect("it fails");
    let without = 0xFFF & !(1 << 3 | 1 << 11);
    let spared = 0x1FFF & !0b100;
    assert_eq!(less, Less { without, messages: 7, calm_at: 333, spared });
    assert_eq!(read(&written(less)), less);
    assert!(story.starts_with("line 0\nline 61\n"), "{story}");
    assert!(story.contains("line 99\npanicked at ") && story.ends_with("this one"), "{story}");
    assert!(shrink(|_, _| ()).is_none());
}
