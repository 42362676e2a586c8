//! Two who look at a ticker: one who reads all the time, and one who looks away for a while.

use super::server::Server;
use ringws_kit::{CLOSE, Client, TEXT, close};
use std::time::{Duration, Instant};

const SYMBOLS: usize = 50;

/// Symbol and price of `{"symbol": 1, "price": 2}`.
fn price(client: &mut Client) -> (usize, i64) {
    let (first, payload) = client.receive();
    assert_eq!(first, TEXT);
    let text = String::from_utf8(payload).unwrap();
    let rest = text.strip_prefix("{\"symbol\": ").and_then(|rest| rest.strip_suffix('}'));
    let (symbol, price) = rest.and_then(|rest| rest.split_once(", \"price\": ")).unwrap();
    (symbol.parse().unwrap(), price.parse().unwrap())
}

/// Each symbol's price, newer than what is known of it.
fn look(client: &mut Client, known: &mut [i64]) {
    let mut missing = known.len();
    let before = known.to_vec();
    while missing > 0 {
        let (symbol, price) = price(client);
        assert!(price > known[symbol], "{price} of {symbol} behind {}", known[symbol]);
        missing -= usize::from(known[symbol] == before[symbol]);
        known[symbol] = price;
    }
}

/// Talks to `examples/ticker.c` until it is told to stop.
pub(crate) fn watch(server: Server) {
    let [mut eager, mut idle] = [(); 2].map(|()| Client::connect(server.port));
    let mut known = vec![-1; SYMBOLS];
    look(&mut eager, &mut known);
    let mut old = vec![-1; SYMBOLS];
    look(&mut idle, &mut old);
    // For as long as the one has not looked, the other sees every price there is.
    let (begun, mut seen) = (Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(3) {
        look(&mut eager, &mut known);
        seen += 1;
    }
    assert!(seen > 50, "{seen} rounds in 3 seconds");
    // What waits for it in the kernel is old; what waited with us is new.
    let mut read = 0;
    while old.iter().zip(&known).any(|(old, known)| old < known) {
        let (symbol, price) = price(&mut idle);
        assert!(price > old[symbol], "{price} of {symbol} behind {}", old[symbol]);
        old[symbol] = price;
        read += 1;
    }
    let all: i64 = known.iter().sum();
    assert!(read < all as usize, "all {all} prices came, {read} of them late");
    server.signal("TERM");
    for mut client in [eager, idle] {
        while client.receive().0 != CLOSE {}
        client.send(CLOSE, close(1001, ""));
        client.ends();
    }
    assert!(server.wait(Duration::from_secs(20)).success());
}
