//! The counters as C gets them: as text, number by number, and in `rws_stats`.

mod common;

use ringws::constants::{RWS_ANY_REACTOR, RWS_METRIC_COUNTER};
use ringws::engine::{rws_engine_free, rws_engine_new, rws_engine_start};
use ringws::metrics::{rws_engine_metrics, rws_engine_values, rws_metric};
use ringws::stats::{rws_engine_stats, rws_stats};
use ringws::status::rws_status;
use ringws::types::{rws_bytes, rws_engine};
use std::ffi::{CStr, c_char};
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

/// An engine with as many reactors as there are CPUs, freed at the end.
struct Engine(*mut rws_engine);

impl Engine {
    fn new() -> Self {
        let mut engine = null_mut();
        // SAFETY: no configuration is all defaults, and there is room for the pointer.
        let made = unsafe { rws_engine_new(null(), &mut engine, null_mut()) };
        assert_eq!(made, rws_status::RWS_OK);
        // SAFETY: it was just made.
        assert_eq!(unsafe { rws_engine_start(engine, null_mut()) }, rws_status::RWS_OK);
        Self(engine)
    }

    fn text(&self, size: usize) -> (String, usize) {
        let mut room = vec![0x55 as c_char; size + 1];
        // SAFETY: there is room for as much as is said.
        let whole = unsafe { rws_engine_metrics(self.0, room.as_mut_ptr(), size) };
        assert_eq!(room[size], 0x55, "written beyond its size");
        // SAFETY: it ends with a NUL, as there was room for one.
        let text = unsafe { CStr::from_ptr(room.as_ptr()) };
        (text.to_str().unwrap().to_owned(), whole)
    }

    fn values(&self) -> Vec<rws_metric> {
        // SAFETY: null is fine: nothing is written.
        let count = unsafe { rws_engine_values(self.0, RWS_ANY_REACTOR, null_mut(), 7) };
        let mut rows = Vec::with_capacity(count);
        // SAFETY: there is room for so many, all of which are written.
        unsafe {
            let again = rws_engine_values(self.0, RWS_ANY_REACTOR, rows.as_mut_ptr(), count);
            assert_eq!(again, count);
            rows.set_len(count);
        }
        rows
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: nobody else uses it.
        unsafe { rws_engine_free(self.0) }
    }
}

fn str_of(bytes: rws_bytes) -> &'static str {
    // SAFETY: the header says that they are static.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.data, bytes.len) };
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn text_is_cut_as_snprintf_cuts() {
    let engine = Engine::new();
    let (_, whole) = engine.text(1);
    let (text, again) = engine.text(whole + 1_024);
    assert!(text.len() == again && text.ends_with('\n'), "{again}");
    let (cut, _) = engine.text(100);
    assert!(cut.len() == 99 && text.starts_with(&cut), "{cut}");
    // SAFETY: nothing is written.
    assert!(unsafe { rws_engine_metrics(engine.0, null_mut(), 0) } > 1_000);
    // SAFETY: null is fine.
    assert_eq!(unsafe { rws_engine_metrics(null_mut(), null_mut(), 0) }, 0);
    // SAFETY: nothing is written where there is no such reactor, or no engine.
    unsafe {
        assert_eq!(rws_engine_values(engine.0, 255, null_mut(), 0), 0);
        assert_eq!(rws_engine_values(null_mut(), 0, null_mut(), 0), 0);
    }
}

/// Whoever adds a counter without a label adds it to `rws_stats`.
#[test]
fn what_has_no_label_is_in_rws_stats() {
    let engine = Engine::new();
    let mut stats = MaybeUninit::<rws_stats>::zeroed();
    // SAFETY: its size is written first, and zero is a value of all its fields.
    let stats = unsafe {
        stats.as_mut_ptr().cast::<u32>().write(size_of::<rws_stats>() as u32);
        rws_engine_stats(engine.0, RWS_ANY_REACTOR, stats.as_mut_ptr());
        stats.assume_init()
    };
    let fields = format!("{stats:?}");
    let mut plain = 0;
    for metric in engine.values() {
        let name = str_of(metric.name).strip_prefix("ringws_").unwrap();
        assert!(str_of(metric.help).ends_with(['.', '?', ')']), "{name}");
        let counts = metric.kind == RWS_METRIC_COUNTER;
        assert_eq!(counts, name.ends_with("_total"), "{name}");
        assert_eq!(str_of(metric.label).is_empty(), str_of(metric.label_value).is_empty());
        if str_of(metric.label).is_empty() {
            let name = name.strip_suffix("_total").unwrap_or(name);
            let known = fields.contains(&format!(" {name}: "));
            assert!(known, "rws_stats has no {name}");
            plain += 1;
        }
    }
    assert_eq!(plain, fields.matches(": ").count() - 2, "but size and reactors");
}

/// What Prometheus's own people read such text with, and their numbers.
#[cfg(feature = "long")]
#[test]
fn the_parser_of_prometheus_reads_it() {
    let engine = Engine::new();
    let size = engine.text(1).1 + 1_024;
    let place = common::scratch("metrics").join("metrics.txt");
    std::fs::write(&place, engine.text(size).0).unwrap();
    let script = common::here().join("tests/peer/metrics.py");
    let read = common::stdout_of(install::python().arg(script).arg(&place));
    // Without connections only the turns move, and what is measured of them.
    let idle = |name: &str| !name.contains("turn") && !name.contains("enters");
    let mut seen = 0;
    for metric in engine.values().iter().filter(|metric| idle(str_of(metric.name))) {
        let name = str_of(metric.name);
        let value = format!("={} ", str_of(metric.label_value));
        let labelled = |line: &str| metric.label.len == 0 || line.contains(&value);
        let sample = |line: &&str| line.starts_with(&format!("{name} reactor=0")) && labelled(line);
        let line = read.lines().find(sample).unwrap_or_else(|| panic!("no {name}"));
        assert!(line.ends_with(&format!(" {}.0", metric.value)), "{line}");
        seen += 1;
    }
    assert!(seen > 60, "{seen}");
}

#[cfg(feature = "long")]
#[path = "peer/install.rs"]
#[allow(dead_code, reason = "Node is for others")]
mod install;
