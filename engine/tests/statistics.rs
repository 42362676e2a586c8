//! All that is counted moves, and the text for Prometheus says the same.

#[path = "ring/child.rs"]
mod child;
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
            "messages_in_by_opcode",
            "messages_out",
            "messages_out_by_opcode",
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
    ("statistics/measured.rs", &["turns_long", "enters", "cq_overflow"]),
    (
        "statistics/states.rs",
        &["connections_by_state", "refused_by_reason", "controls_in", "controls_out"],
    ),
    ("statistics/deflated.rs", &["deflated_in_wire", "deflated_in_plain", "deflated_out_plain"]),
    ("http/requests.rs", &["requests", "requests_refused"]),
    ("time.rs", &["lifetimes_over"]),
    ("succession/idle.rs", &["passed_on", "taken_over", "left_behind"]),
    ("succession/fails.rs", &["passed_back"]),
    ("loopback.rs", &["accept_paused", "forward_dropped"]),
    ("crowd.rs", &["accept_dropped"]),
    (
        "history/kept.rs",
        &["history_resumed", "history_late", "history_replayed", "history_logs", "history_bytes"],
    ),
    (
        "bus.rs",
        &[
            "bus_up",
            "bus_sent",
            "bus_unsent",
            "bus_refused",
            "bus_delivered",
            "bus_known",
            "bus_own",
            "bus_full",
            "bus_malformed",
            "bus_gaps",
            "bus_missing",
            "bus_signs",
            "bus_said",
            "bus_heard",
            "bus_queued",
        ],
    ),
    (
        "nats/crossing.rs",
        &["nats_connects", "nats_frames_in", "nats_bytes_in", "nats_frames_out", "nats_bytes_out"],
    ),
    ("nats/login.rs", &["nats_refused"]),
    ("adopt/begins.rs", &["adopted"]),
    ("backend.rs", &["epoll_reactors"]),
    ("adopt/placement.rs", &["handed_over"]),
    ("dial/echo.rs", &["connected", "connect_failed"]),
    ("slow_reader.rs", &["replaced"]),
    ("proxy.rs", &["strangers_closed"]),
    ("addresses.rs", &["address_closed", "address_refused"]),
    ("budget.rs", &["memory", "memory_peak", "budget_closed", "budget_refused"]),
    ("full_queues.rs", &["dropped_newest", "dropped_oldest", "closed_full", "aborted_full"]),
    ("warm.rs", &["bytes_copied"]),
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

/// Of rows with a label: which test moves which value of it and reads it back, by its name.
const VALUES_BY: &[(&str, &str, &[&str])] = &[
    ("ends", "succession.rs", &["passed_on"]),
    (
        "ends",
        "statistics/ends.rs",
        &[
            "peer_close",
            "close",
            "abort",
            "stop",
            "lifetime",
            "silent",
            "stuck",
            "protocol",
            "full",
            "fragment",
            "ended",
            "reset",
            "transport",
            "panic",
        ],
    ),
    ("ends", "budget.rs", &["memory"]),
    ("ends", "tls/wire.rs", &["tls"]),
    ("close_codes_received", "statistics/ends.rs", CODES),
    ("close_codes_received", "statistics/ends.rs", &["1006"]),
    ("close_codes_sent", "statistics/ends.rs", CODES),
    ("close_codes_sent", "statistics/ends.rs", &["none"]),
    (
        "violations_by_kind",
        "statistics/ends.rs",
        &[
            "reserved_bits",
            "reserved_opcode",
            "non_minimal_length",
            "length_overflow",
            "control_too_long",
            "control_fragmented",
            "unmasked",
            "masked",
            "malformed_deflate",
            "unexpected_continuation",
            "expected_continuation",
            "invalid_utf8",
            "truncated_close_code",
            "invalid_close_code",
            "invalid_close_reason",
            "message_too_big",
            "too_many_fragments",
        ],
    ),
    (
        "refused_by_reason",
        "statistics/states.rs",
        &["bad_request", "too_large", "timeout", "origin", "handler", "stopping", "tls"],
    ),
    ("refused_by_reason", "budget.rs", &["memory"]),
    ("refused_by_reason", "addresses.rs", &["address"]),
    ("refused_by_reason", "admission.rs", &["rate"]),
    ("refused_by_reason", "proxy.rs", &["proxy"]),
];

const CODES: &[&str] = &[
    "1000", "1001", "1002", "1003", "1005", "1007", "1008", "1009", "1010", "1011", "1012", "1013",
    "1014", "3xxx", "4xxx",
];

/// Compared as a whole there, all values at once.
const WHOLE: &[&str] = &[
    "connections_by_state",
    "messages_in_by_opcode",
    "messages_out_by_opcode",
    "controls_in",
    "controls_out",
];

/// What RFC 6455 §7.4 forbids on the wire, so that no end can have it: a violation comes before.
const NEVER: &[(&str, &[&str])] = &[
    ("close_codes_received", &["1004", "1015", "other", "none"]),
    ("close_codes_sent", &["1004", "1006", "1015", "other"]),
];

/// What no test brings about on a kernel: a reactor cannot go on when `io_uring_enter(2)` fails for
/// good. That of the simulator can, and after each of its runs the ends are compared by cause with
/// what `on_close` was told.
const SIMULATED: &[(&str, &[&str])] = &[("ends", &["reactor"])];

#[test]
fn each_value_of_a_label_is_accounted_for_once() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for row in ROWS.iter().filter(|row| !row.label.is_empty() && !WHOLE.contains(&row.field)) {
        for value in row.label_values {
            let by =
                VALUES_BY.iter().filter(|(of, _, all)| *of == row.field && all.contains(value));
            let by: Vec<_> = by.collect();
            let listed = |list: &[(&str, &[&str])]| {
                list.iter().filter(|(of, all)| *of == row.field && all.contains(value)).count()
            };
            let times = by.len() + listed(NEVER) + listed(SIMULATED);
            assert_eq!(times, 1, "{} {value}", row.field);
            for (_, file, _) in by {
                let source = std::fs::read_to_string(tests.join(file)).expect(file);
                assert!(source.contains(&format!("\"{value}\"")), "{file} has no {value}");
            }
        }
    }
}
