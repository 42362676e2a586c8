//! Sizes, offsets and values as a C compiler sees them in ringws.h and as Rust has them.

mod common;

use common::{compilers, here, scratch, stdout_of, succeed};
use ringws::address::rws_address;
use ringws::adopt::rws_adopt;
use ringws::bus::{rws_bus, rws_gap};
use ringws::callbacks::rws_callbacks;
use ringws::config::rws_config;
use ringws::constants::*;
use ringws::credentials::rws_credentials;
use ringws::drain::{rws_drain, rws_drained};
use ringws::endpoint::rws_endpoint;
use ringws::features::rws_feature;
use ringws::history::rws_history;
use ringws::later::{RWS_LATER, rws_later};
use ringws::message::{rws_close_info, rws_message};
use ringws::metrics::rws_metric;
use ringws::nats::rws_nats_options;
use ringws::options::rws_options;
use ringws::request::rws_response;
use ringws::route::rws_route;
use ringws::stats::rws_stats;
use ringws::status::{rws_error, rws_status};
use ringws::succession::{rws_hand_over, rws_handed_over};
use ringws::target::{rws_refusal, rws_target};
use ringws::tls::{rws_identity, rws_tls_config};
use ringws::types::{rws_bytes, rws_conn, rws_dial, rws_timer};
use std::collections::BTreeMap;
use std::mem::{align_of, offset_of, size_of};
use std::process::Command;

/// C expressions and the values that Rust gives them.
type Facts = BTreeMap<String, i64>;

macro_rules! structs {
    ($($name:ident { $($field:ident),* $(,)? })*) => {
        fn structs(facts: &mut Facts) {
            $(
                // Does not compile unless all fields are named.
                let _ = |value: $name| { let $name { $($field: _),* } = value; };
                facts.insert(concat!("sizeof(", stringify!($name), ")").into(),
                    size_of::<$name>() as i64);
                facts.insert(concat!("_Alignof(", stringify!($name), ")").into(),
                    align_of::<$name>() as i64);
                $(facts.insert(
                    concat!("offsetof(", stringify!($name), ", ", stringify!($field), ")").into(),
                    offset_of!($name, $field) as i64,
                );)*
            )*
        }
    };
}

structs! {
    rws_address { ip, scope, port, family, reserved }
    rws_bytes { data, len }
    rws_callbacks {
        size, on_upgrade, on_open, on_message, on_pong, on_drain, on_close, on_origin, on_refused,
        on_request, on_gone, on_hand_over, on_taken_over,
    }
    rws_close_info { code, sent_code, retry_ms, reason, error, unsent, unread, dropped, cause }
    rws_config {
        size, reactors, connections_max, recv_buffers, recv_buffer_size, flags, on_start, on_stop,
        on_log, user, busy_poll_us, codec_memory_max, coalesce_us, topic_bytes_max,
        on_topic, topics_max, attached, memory_max, on_stopped, backend, reserved,
        on_gap, on_bus, histories, histories_len, history_bytes_max, on_late,
    }
    rws_adopt { size, fd, endpoint, flags, reactor, reserved, early, user, on_unopened }
    rws_conn { id }
    rws_credentials { pid, uid, gid }
    rws_drain {
        size, code, retry_after_s, reason, serve_ms, spread_ms, deadline_ms, reserved, on_drained,
        user,
    }
    rws_hand_over { size, ready_ms, within_ms, reserved, drain, on_handed_over, user }
    rws_handed_over { status, reserved, passed, back, left }
    rws_drained { closed, timed_out, aborted, lost, refused, unheard }
    rws_endpoint {
        size, port, address, callbacks, user, options, origins, tls, per_address_max,
        upgrades_per_second, upgrades_burst, flags, listen_fd, backlog, mode, reserved, routes,
        routes_len, proxy_from, admitted_per_second, admitted_burst,
    }
    rws_error { status, sys_errno, text }
    rws_feature { name, kernel, flags, reserved }
    rws_metric { name, label, label_value, help, value, kind, reserved }
    rws_message { data, len, opcode, flags }
    rws_options {
        size, flags, message_max, fragments_max, send_queue_max, head_max, handshake_timeout_ms,
        idle_timeout_ms, close_timeout_ms, deflate_min, deflate_level, deflate_window_bits,
        deflate_mem_level, unsent_max, kernel_send_max, body_max, lifetime_max_ms,
        lifetime_code, ping_interval_ms, when_full, queue_age_max_ms, keepalive_s,
        user_timeout_ms, busy_poll_us,
    }
    rws_stats {
        size, reactors, connections, accepted, upgraded, refused, violations, timeouts,
        messages_in, bytes_in, messages_out, bytes_out, bytes_copied, retained, retain_copied,
        forward_dropped, accept_paused, accept_dropped, buffers_exhausted,
        turns, tls_handshakes, tls_failed, tls_resumed, connected, connect_failed, codec_memory,
        deflated_in, deflated_out, deflate_saved, takeover_refused, replaced, topics,
        published, publish_dropped, publish_refused, memory, memory_peak, budget_closed,
        budget_refused, address_closed, address_refused, turns_long, enters, cq_overflow,
        deflated_in_wire, deflated_in_plain, deflated_out_plain,
        requests, requests_refused, lifetimes_over, dropped_newest, dropped_oldest, closed_full,
        aborted_full, closes_unanswered, strangers_closed, publish_closing,
        queued, queued_largest, queue_age_ms, adopted, handed_over, epoll_reactors,
        bus_up, bus_sent, bus_unsent, bus_refused, bus_delivered, bus_known, bus_own,
        bus_full, bus_malformed, bus_gaps, bus_missing, bus_signs, bus_said, bus_heard, bus_queued,
        history_resumed, history_late, history_replayed, history_logs, history_bytes,
        nats_connects, nats_frames_in, nats_bytes_in, nats_frames_out, nats_bytes_out,
        nats_refused,
        passed_on, taken_over, passed_back, left_behind,
    }
    rws_bus {
        size, flags, interest, publish, close, user, node, prefix, queue_max, heartbeat_ms,
        forget_ms, settle_ms,
    }
    rws_history { prefix, bytes_max, messages_max, age_ms, flags }
    rws_nats_options {
        size, flags, servers, subject_prefix, name, user, password, token, nkey_seed, credentials,
        tls, tls_name, reconnect_min_ms, reconnect_max_ms, connect_timeout_ms, ping_interval_ms,
        pending_max, queue_max, heartbeat_ms, forget_ms, settle_ms, reserved, node, topic_prefix,
    }
    rws_gap { node, epoch, first, last, cause, reserved }
    rws_route { path, callbacks, user, options, origins }
    rws_response { size, status, headers, body, protocol }
    rws_identity { cert_chain_pem, key_pem, cert_file, key_file }
    rws_tls_config {
        size, flags, identities, identities_len, roots_pem, roots_file, verify, user,
        pinned_pem, pinned_file,
    }
    rws_refusal { error, http_status, retry_ms, body, answer }
    rws_target {
        size, reactor, url, protocols, headers, callbacks, user, options, tls, proxy,
        connect_timeout_ms, retry_min_ms, retry_max_ms, flags, host, tls_name,
    }
    rws_timer { id }
    rws_dial { id }
    rws_later { id }
}

macro_rules! values {
    ($($name:expr),* $(,)?) => {
        fn values(facts: &mut Facts) {
            $(facts.insert(
                stringify!($name).trim_start_matches("rws_status::").into(),
                $name as i64,
            );)*
        }
    };
}

values! {
    RWS_CONTINUATION, RWS_TEXT, RWS_BINARY, RWS_PING, RWS_PONG,
    RWS_CLOSE_NORMAL, RWS_CLOSE_GOING_AWAY, RWS_CLOSE_PROTOCOL, RWS_CLOSE_UNSUPPORTED,
    RWS_CLOSE_NO_STATUS, RWS_CLOSE_ABNORMAL, RWS_CLOSE_INVALID_DATA, RWS_CLOSE_POLICY,
    RWS_CLOSE_TOO_BIG, RWS_CLOSE_INTERNAL, RWS_CLOSE_RESTART, RWS_CLOSE_TRY_AGAIN,
    RWS_CLOSE_BAD_GATEWAY,
    RWS_PLAIN, RWS_OPT_DEFLATE, RWS_OPT_TAKEOVER,
    RWS_BACKEND_AUTO, RWS_BACKEND_URING, RWS_BACKEND_EPOLL,
    RWS_GAP_LOST, RWS_GAP_SILENT, RWS_GAP_RESTARTED, RWS_GAP_UNHEARD, RWS_HISTORY_STAMP,
    RWS_NATS_IN_ORDER, RWS_NATS_NO_DISCOVERY,
    RWS_WHEN_FULL_REFUSE, RWS_WHEN_FULL_DROP_NEWEST, RWS_WHEN_FULL_DROP_OLDEST,
    RWS_WHEN_FULL_CLOSE, RWS_WHEN_FULL_ABORT,
    RWS_CAUSE_PEER_CLOSE, RWS_CAUSE_CLOSE, RWS_CAUSE_ABORT, RWS_CAUSE_STOP, RWS_CAUSE_LIFETIME,
    RWS_CAUSE_SILENT, RWS_CAUSE_STUCK, RWS_CAUSE_PROTOCOL, RWS_CAUSE_FULL, RWS_CAUSE_FRAGMENT,
    RWS_CAUSE_MEMORY, RWS_CAUSE_ENDED, RWS_CAUSE_RESET, RWS_CAUSE_TRANSPORT, RWS_CAUSE_TLS,
    RWS_CAUSE_REACTOR, RWS_CAUSE_PANIC, RWS_CAUSE_PASSED_ON,
    RWS_MORE, RWS_FIRST, RWS_LAST, RWS_OPT_STREAM, RWS_CFG_PIN, RWS_CFG_SQPOLL, RWS_ENDPOINT_FD,
    RWS_ENDPOINT_SHARED, RWS_ENDPOINT_DIRECT, RWS_ENDPOINT_LEAST_LOADED, RWS_ENDPOINT_NO_SOCKET,
    RWS_ADOPT_REACTOR, RWS_ADOPT_UPGRADED,
    RWS_TLV_ALPN, RWS_TLV_AUTHORITY, RWS_TLV_CRC32C, RWS_TLV_NOOP, RWS_TLV_UNIQUE_ID, RWS_TLV_SSL,
    RWS_TLV_NETNS, RWS_TLV_SSL_VERSION, RWS_TLV_SSL_CN, RWS_TLV_SSL_CIPHER, RWS_TLV_SSL_SIG_ALG,
    RWS_TLV_SSL_KEY_ALG,
    RWS_TLS_CLIENT_CERT, RWS_TLS_CLIENT_CERT_REQUIRED, RWS_TLS_ONLY_1_3,
    RWS_LATER, RWS_LOG_ERROR, RWS_LOG_WARN, RWS_LOG_INFO, RWS_ANY_REACTOR, RWS_TARGET_REACTOR,
    RWS_FAMILY_NONE, RWS_FAMILY_IPV4, RWS_FAMILY_IPV6,
    RWS_METRIC_COUNTER, RWS_METRIC_GAUGE, RWS_HIST_TURN_US, RWS_HIST_TURN_COMPLETIONS,
    RWS_HIST_PING_US, RWS_HIST_HANDSHAKE_US,
    RWS_FEATURE_REQUIRED, RWS_FEATURE_PRESENT, RWS_FEATURE_USED,
    rws_status::RWS_LATE, rws_status::RWS_DROPPED, rws_status::RWS_FULL,
    rws_status::RWS_OK, rws_status::RWS_E_INVALID,
    rws_status::RWS_E_UNSUPPORTED, rws_status::RWS_E_NOMEM, rws_status::RWS_E_SYSTEM,
    rws_status::RWS_E_KERNEL, rws_status::RWS_E_GONE, rws_status::RWS_E_CLOSING,
    rws_status::RWS_E_FULL, rws_status::RWS_E_TOO_BIG, rws_status::RWS_E_UTF8,
    rws_status::RWS_E_STATE, rws_status::RWS_E_PANIC,
    rws_status::RWS_E_REFUSED, rws_status::RWS_E_PROTOCOL, rws_status::RWS_E_TIMEOUT,
    rws_status::RWS_E_ENDED, rws_status::RWS_E_TLS,
}

fn facts() -> Facts {
    let mut facts = Facts::new();
    structs(&mut facts);
    values(&mut facts);
    let part = |text: &str| text.parse::<i64>().unwrap();
    for (name, value) in [
        ("RWS_VERSION_MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("RWS_VERSION_MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("RWS_VERSION_PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ] {
        facts.insert(name.into(), part(value));
    }
    for (name, size) in [
        ("rws_adopt", size_of::<rws_adopt>()),
        ("rws_bus", size_of::<rws_bus>()),
        ("rws_nats_options", size_of::<rws_nats_options>()),
        ("rws_config", size_of::<rws_config>()),
        ("rws_hand_over", size_of::<rws_hand_over>()),
        ("rws_callbacks", size_of::<rws_callbacks>()),
        ("rws_endpoint", size_of::<rws_endpoint>()),
        ("rws_options", size_of::<rws_options>()),
        ("rws_response", size_of::<rws_response>()),
        ("rws_stats", size_of::<rws_stats>()),
        ("rws_target", size_of::<rws_target>()),
        ("rws_tls_config", size_of::<rws_tls_config>()),
    ] {
        facts.insert(format!("((const {name})RWS_INIT({name})).size"), size as i64);
    }
    facts.insert("sizeof(rws_opcode)".into(), size_of::<rws_opcode>() as i64);
    facts.insert("sizeof(rws_status)".into(), size_of::<rws_status>() as i64);
    facts
}

#[test]
fn c_sees_what_rust_has() {
    let facts = facts();
    let lines: String = facts
        .keys()
        .map(|fact| format!("  printf(\"%lld\\t%s\\n\", (long long)({fact}), \"{fact}\");\n"))
        .collect();
    let text = format!(
        "#include <ringws.h>\n#include <stdio.h>\nint main(void) {{\n{lines}  return 0;\n}}\n"
    );
    for compiler in compilers() {
        let program = scratch("layout").join(format!("layout-{}", compiler.c));
        let source = program.with_extension("c");
        std::fs::write(&source, &text).unwrap();
        succeed(compiler.command("c11").arg(&source).arg("-o").arg(&program));
        let seen: Facts = stdout_of(&mut Command::new(&program))
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(value, fact)| (fact.to_owned(), value.parse().unwrap()))
            .collect();
        assert_eq!(seen, facts, "{}", compiler.c);
    }
}

/// Names of the header that no fact speaks of would be unchecked.
#[test]
fn every_name_of_the_header_is_compared() {
    let header = std::fs::read_to_string(here().join("../include/ringws.h")).unwrap();
    let facts = facts();
    let mut count = 0;
    for line in header.lines() {
        let constant = line.strip_prefix("#define ").filter(|rest| !rest.contains(['\\', '(']));
        let shifted = line.strip_prefix("#define ").filter(|rest| rest.contains("(1u << "));
        let variant = line.strip_prefix("  RWS_").filter(|rest| rest.contains(" = "));
        let name = match (constant.or(shifted), variant) {
            (Some(rest), _) => rest.split(' ').next().unwrap().to_owned(),
            (_, Some(rest)) => format!("RWS_{}", rest.split(' ').next().unwrap()),
            _ => match line.strip_prefix("} ").and_then(|rest| rest.strip_suffix(';')) {
                Some(name) => format!("sizeof({name})"),
                None => continue,
            },
        };
        if name == "RWS_MUST_USE" || name == "RINGWS_H" {
            continue;
        }
        assert!(facts.contains_key(&name), "{name} is not compared");
        count += 1;
    }
    assert!(count > 60, "only {count} names found");
}
