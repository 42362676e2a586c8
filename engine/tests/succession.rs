//! A process takes over the listening sockets and the open connections of the one before it.

#![allow(clippy::print_stdout)] // what was counted, for who measures

#[path = "succession/app.rs"]
mod app;
#[path = "succession/deploys.rs"]
mod deploys;
#[path = "succession/fails.rs"]
mod fails;
#[allow(dead_code, reason = "each test uses its own part")]
#[path = "bus/hub.rs"]
mod hub;
#[path = "succession/idle.rs"]
mod idle;
#[path = "succession/kinds.rs"]
mod kinds;
#[path = "support/service.rs"]
mod service;
#[path = "succession/topics.rs"]
mod topics;

use app::{App, Old, hand_over};
use ringws_kit::{Client, TEXT};
use service::{of, stats};

#[test]
fn an_open_connection_goes_on_in_the_other_engine() {
    let old = Old::start(App::default());
    let mut client = Client::connect(old.port);
    for number in 0..3 {
        client.echoes(TEXT, number.to_string());
    }
    let new = hand_over(&old, App::default());
    for number in 3..6 {
        client.echoes(TEXT, number.to_string());
    }
    old.engine.wait().expect("it has ended");
    client.echoes(TEXT, "6");
    assert_eq!(stats(&old.engine).passed_on, 1);
    assert_eq!(of(&stats(&old.engine), "ends", "passed_on"), 1);
    assert_eq!(stats(&new.engine).taken_over, 1);
    // Whoever comes now comes to the new one.
    Client::connect(old.port).echoes(TEXT, "0");
}
