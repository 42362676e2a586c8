//! All that is counted moves, and the text for Prometheus says the same.

#[path = "statistics/deflated.rs"]
mod deflated;
#[path = "statistics/ends.rs"]
mod ends;
#[path = "statistics/measured.rs"]
mod measured;
#[path = "support/service.rs"]
mod service;
#[path = "statistics/states.rs"]
mod states;
#[path = "statistics/text.rs"]
mod text;
#[path = "statistics/traffic.rs"]
mod traffic;

use ringws_engine::reactor::ROWS;
use std::path::Path;

/// Which test reads which row back, after something has moved it.
const READ_BY: &[(&str, &[&str])] = &[
    (
        "statistics/traffic.rs",
        &[
            "bytes_in",
            "bytes_out",
            "messages_in",
            "messages_out",
            "retain_copied",
            "turns",
            "queued",
            "queued_largest",
            "queue_age_ms",
        ],
    ),
    (
        "statistics/ends.rs",
        &[
            "ends",
            "closes_unanswered",
            "close_codes_received",
            "close_codes_sent",
            "violations",
            "violations_by_kind",
            "timeouts",
            "refused",
            "upgraded",
            "accepted",
            "connections",
        ],
    ),
    ("statistics/measured.rs", &["turns_long", "enters"]),
    (
        "statistics/states.rs",
        &["connections_by_state", "refused_by_reason", "controls_in", "controls_out"],
    ),
    ("statistics/deflated.rs", &["deflated_in_wire", "deflated_in_plain", "deflated_out_plain"]),
    ("http/requests.rs", &["requests", "requests_refused"]),
    ("time.rs", &["lifetimes_over"]),
    ("loopback.rs", &["accept_paused", "forward_dropped"]),
    ("crowd.rs", &["accept_dropped"]),
    ("adopt/begins.rs", &["adopted"]),
    ("adopt/placement.rs", &["handed_over"]),
    ("dial/echo.rs", &["connected", "connect_failed"]),
    ("slow_reader.rs", &["replaced"]),
    ("proxy.rs", &["strangers_closed"]),
    ("addresses.rs", &["address_closed", "address_refused"]),
    ("budget.rs", &["memory", "memory_peak", "budget_closed", "budget_refused"]),
    ("full_queues.rs", &["dropped_newest", "dropped_oldest", "closed_full", "aborted_full"]),
    ("warm.rs", &["bytes_copied"]),
    ("ring/pressure.rs", &["cq_overflow"]),
    ("sim.rs", &["retained", "buffers_exhausted"]),
    (
        "topics.rs",
        &["topics", "published", "publish_dropped", "publish_closing", "publish_refused"],
    ),
    ("tls/handshake.rs", &["tls_handshakes", "tls_failed", "tls_resumed"]),
    (
        "../../ffi/tests/c/deflate.c",
        &["codec_memory", "deflated_in", "deflated_out", "deflate_saved", "takeover_refused"],
    ),
];

#[test]
fn each_row_is_read_by_a_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for row in ROWS {
        let of = READ_BY.iter().find(|(_, fields)| fields.contains(&row.field));
        let (file, _) = of.unwrap_or_else(|| panic!("no test moves {} and reads it", row.field));
        let source = std::fs::read_to_string(tests.join(file)).expect(file);
        assert!(source.contains(&format!(".{}", row.field)), "{file} does not read {}", row.field);
    }
    let all: Vec<&str> = READ_BY.iter().flat_map(|(_, fields)| fields.iter().copied()).collect();
    for field in &all {
        assert!(ROWS.iter().any(|row| row.field == *field), "{field} is no row any more");
    }
}
