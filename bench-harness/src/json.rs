//! Text as exchanges send it: batches of tickers and orders, the same in every run.
//!
//! What varies (prices, sizes, numbers, times, ids) varies in every message, what a schema repeats
//! is repeated: level 1 of zlib makes a quarter to an eighth of it, which the tests see to.

use crate::random::Random;
use std::fmt::Write;

const SYMBOLS: [&str; 8] =
    ["BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD", "ADA-USD", "DOGE-USD", "LTC-USD", "DOT-USD"];

/// A JSON object of exactly `size` bytes; below some 30 bytes a string or a number.
pub fn message(random: &mut Random, size: usize) -> Vec<u8> {
    const TAIL: &str = "],\"pad\":\"\"}";
    let mut text = String::with_capacity(size + 512);
    let _ = write!(text, "{{\"seq\":{},\"events\":[", random.below(1 << 20) + (1 << 20));
    if text.len() + TAIL.len() > size {
        return filler(size);
    }
    let mut time = random.below(86_400_000 - 1_000_000);
    let symbol = random.of(&SYMBOLS);
    let mut price = 10_000 + random.below(9_000_000);
    let mut id = 480_000_000 + random.below(1_000_000);
    let mut first = true;
    loop {
        let before = text.len();
        text.push_str(if first { "" } else { "," });
        time += random.below(40);
        price = (price + 5 * random.below(9)).saturating_sub(20).max(100);
        id += random.below(4) + 1;
        event(&mut text, random, symbol, price, id, time);
        if text.len() + TAIL.len() > size {
            text.truncate(before);
            break;
        }
        first = false;
    }
    text.push_str("],\"pad\":\"");
    let pad = size - text.len() - 2;
    text.extend(std::iter::repeat_n(' ', pad));
    text.push_str("\"}");
    text.into_bytes()
}

/// A string, or digits where not even its quotes fit.
fn filler(size: usize) -> Vec<u8> {
    let mut bytes = vec![b'7'; size];
    if let [first, .., last] = bytes.as_mut_slice() {
        (*first, *last) = (b'"', b'"');
    }
    bytes
}

/// One of four is a ticker, the others are orders.
fn event(text: &mut String, random: &mut Random, symbol: &str, price: u64, id: u64, time: u64) {
    let (dollars, cents) = (price / 100, price % 100);
    let lots = random.below(20) * 250;
    let clock = Clock(time);
    let _ = if random.below(4) == 0 {
        write!(
            text,
            "{{\"type\":\"ticker\",\"symbol\":\"{symbol}\",\"price\":\"{dollars}.{cents:02}\",\
             \"best_bid\":\"{dollars}.{cents:02}\",\"best_ask\":\"{dollars}.{:02}\",\
             \"volume_24h\":\"{}.{lots:04}\",\"time\":\"{clock}\"}}",
            (cents + 1).min(99),
            12_000 + random.below(40),
        )
    } else {
        write!(
            text,
            "{{\"type\":\"order\",\"symbol\":\"{symbol}\",\"side\":\"{}\",\
             \"price\":\"{dollars}.{cents:02}\",\"size\":\"0.{lots:04}\",\"status\":\"{}\",\
             \"time_in_force\":\"GTC\",\"order_id\":{id},\"time\":\"{clock}\"}}",
            random.of(&["buy", "sell"]),
            random.of(&["open", "open", "open", "filled", "canceled"]),
        )
    };
}

/// Milliseconds of a day in words.
struct Clock(u64);

impl std::fmt::Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, ms) = (self.0 / 1000, self.0 % 1000);
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        write!(f, "2026-11-23T{hours:02}:{minutes:02}:{:02}.{ms:03}Z", seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    fn compressed(bytes: &[u8]) -> usize {
        let mut out = Vec::with_capacity(bytes.len() + 1024);
        Compress::new(Compression::new(1), false)
            .compress_vec(bytes, &mut out, FlushCompress::Sync)
            .expect("it has the room");
        out.len()
    }

    #[test]
    fn every_message_is_json_of_its_size_and_differs_from_the_others() {
        for size in [0, 1, 2, 20, 31, 32, 45, 100, 1000, 1024, 65_536, 70_001] {
            let mut random = Random(size as u64);
            let [one, other] = [(); 2].map(|()| message(&mut random, size));
            assert_eq!((one.len(), other.len()), (size, size));
            if size > 0 {
                serde_json::from_slice::<serde_json::Value>(&one)
                    .unwrap_or_else(|error| panic!("{size}: {error}: {one:?}"));
            }
            assert!(size < 100 || one != other);
        }
    }

    #[test]
    fn it_compresses_as_such_text_does() {
        for size in [1024, 65_536] {
            let mut random = Random(1);
            let total: usize = (0..32).map(|_| compressed(&message(&mut random, size))).sum();
            let ratio = (32 * size) as f64 / total as f64;
            assert!((3.0..9.0).contains(&ratio), "{size}: {ratio}");
        }
    }
}
