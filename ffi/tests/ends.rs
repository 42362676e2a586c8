//! How connections end and who is judged, over real sockets: `c/ends.c`, a scenario a test.

mod common;

use common::{Linkage, compilers, here, scratch, stdout_of};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// A program that hangs fails.
fn play(scenario: &str) {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let program = scratch("ends").join("ends");
        let posix = ["-pthread"];
        let source = here().join("tests/c/ends.c");
        compilers()[0].program("c11", &source, Linkage::Static, &posix, &program);
        program
    });
    let said = stdout_of(Command::new("timeout").arg("60").arg(program).arg(scenario));
    assert!(said.ends_with("ok\n"), "{scenario}: {said}");
}

macro_rules! scenarios {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            play($name);
        })*
    };
}

scenarios! {
    a_callback_that_blocks_costs_no_peer_its_life: "callback-blocks",
    a_process_that_is_stopped_costs_no_peer_its_life: "process-stopped",
    a_slow_reader_lives: "slow-reader",
    our_close_waits_for_what_is_before_it: "close-by-application",
    the_answer_to_the_peers_close_waits_too: "close-by-peer",
    a_stop_has_all_of_its_grace: "close-by-stop",
    what_is_dropped_is_told: "dropped-bytes",
    a_pong_overtakes_the_messages_that_wait: "pong-overtakes",
    the_peers_last_words_are_heard: "last-words",
    a_paused_connection_is_closed_at_once: "close-while-paused",
    a_paused_connection_is_stopped_at_once: "stop-while-paused",
    a_paused_connection_that_is_reset_ends: "paused-and-reset",
    a_paused_connection_that_is_ended_ends: "paused-and-ended",
    each_end_has_its_reason: "reasons",
    a_retry_is_told_and_can_be_declined: "retries",
}
