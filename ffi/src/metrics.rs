//! All that is counted: as text for Prometheus, and number by number.

use crate::constants::{
    RWS_ANY_REACTOR, RWS_HIST_HANDSHAKE_US, RWS_HIST_PING_US, RWS_HIST_TURN_COMPLETIONS,
    RWS_HIST_TURN_US, RWS_METRIC_COUNTER, RWS_METRIC_GAUGE,
};
use crate::guard::guard;
use crate::own;
use crate::types::{rws_bytes, rws_engine};
use ringws_engine::reactor::{HISTOGRAMS, Kind, Measure, ROWS, Row};
use std::ffi::c_char;

const _: () = {
    assert!(RWS_HIST_TURN_US == Measure::TurnUs as u32);
    assert!(RWS_HIST_TURN_COMPLETIONS == Measure::TurnCompletions as u32);
    assert!(RWS_HIST_PING_US == Measure::PingUs as u32);
    assert!(RWS_HIST_HANDSHAKE_US == Measure::HandshakeUs as u32);
};

/// one number of rws_engine_values
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rws_metric {
    /// as in the text of rws_engine_metrics: ringws_, then as in rws_stats, and _total if it only
    /// grows; static
    pub name: rws_bytes,
    /// what it is counted apart by; empty: one number of that name; static
    pub label: rws_bytes,
    /// of which value of the label this is the number; static
    pub label_value: rws_bytes,
    /// what it counts, in a sentence; static
    pub help: rws_bytes,
    /// as it was a moment ago
    pub value: u64,
    /// RWS_METRIC_*
    pub kind: u32,
    /// 0
    pub reserved: u32,
}

impl rws_metric {
    fn new(row: &Row, label_value: &'static str, value: u64) -> Self {
        let kind = match row.kind {
            Kind::Counter => RWS_METRIC_COUNTER,
            Kind::Gauge => RWS_METRIC_GAUGE,
        };
        let bytes = |text: &'static str| text.as_bytes().into();
        let (name, label, label_value) = (bytes(row.name), bytes(row.label), bytes(label_value));
        Self { name, label, label_value, help: bytes(row.help), value, kind, reserved: 0 }
    }
}

/// All that is counted, for Prometheus: like snprintf, writes the text (format 0.0.4, to be
/// answered as `text/plain; version=0.0.4`), cut to fit with its NUL, and returns its whole length
/// without it: some KiB, and some more for each reactor. Numbers grow: if you ask for the length
/// first, leave room for a KiB more. Any thread; no reactor is asked or waits. 0 only if e is NULL.
/// Each number has the label reactor; what has no other is in rws_stats, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_metrics(
    e: *mut rws_engine,
    out: *mut c_char,
    size: usize,
) -> usize {
    guard(|| {
        // SAFETY: a live engine or null.
        let Ok(engine) = (unsafe { own::borrow(e) }) else { return 0 };
        // SAFETY: null or `size` bytes, as the caller says.
        unsafe { own::write_text(&engine.metrics(), out, size) }
    })
}

/// The same numbers one by one, for another system: of one reactor, or with RWS_ANY_REACTOR the
/// sum of all. Writes at most max, and returns how many there are: always as many, in one order.
/// Any thread. 0: no such reactor, or e is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_values(
    e: *mut rws_engine,
    reactor: u32,
    out: *mut rws_metric,
    max: usize,
) -> usize {
    guard(|| {
        // SAFETY: a live engine or null.
        let Ok(engine) = (unsafe { own::borrow(e) }) else { return 0 };
        let reactor = (reactor != RWS_ANY_REACTOR).then_some(reactor);
        let Some(stats) = engine.stats(reactor) else { return 0 };
        let max = if out.is_null() { 0 } else { max };
        let mut count = 0;
        for row in ROWS {
            for (at, value) in row.values(&stats).iter().enumerate() {
                if count < max {
                    let label_value = row.label_values.get(at).copied().unwrap_or_default();
                    let metric = rws_metric::new(row, label_value, *value);
                    // SAFETY: the caller has room for `max`, and `count` is less.
                    unsafe { out.add(count).write(metric) };
                }
                count += 1;
            }
        }
        count
    })
}

/// A value that so large a part of all that was measured does not exceed, since the start: of one
/// reactor, or with RWS_ANY_REACTOR of all. which: RWS_HIST_*. part: 0.5 is the median, 0.99 what
/// one in a hundred exceeds; told at most an eighth too large. 1: the largest, exactly. 0 if
/// nothing was measured, there is no such reactor or histogram, part is not from 0 to 1, or e is
/// NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rws_engine_quantile(
    e: *mut rws_engine,
    reactor: u32,
    which: u32,
    part: f64,
) -> u64 {
    guard(|| {
        // SAFETY: a live engine or null.
        let Ok(engine) = (unsafe { own::borrow(e) }) else { return 0 };
        let reactor = (reactor != RWS_ANY_REACTOR).then_some(reactor);
        let row = HISTOGRAMS.get(which as usize).filter(|_| (0.0..=1.0).contains(&part));
        let of = row.and_then(|row| engine.histogram(reactor, row.of));
        of.map_or(0, |of| of.quantile(part))
    })
}
