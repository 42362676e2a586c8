//! The text for Prometheus: its form, read strictly, and its numbers.

use crate::service::{Echo, at, reactors, start};
use ringws_engine::reactor::{HISTOGRAMS, Kind, Measure, ROWS};
use ringws_kit::{Client, TEXT};
use std::collections::BTreeMap;

/// Samples by name and labels as they stand, and the type of each name, in order.
fn parse(text: &str) -> (BTreeMap<String, f64>, Vec<(String, String)>) {
    let (mut samples, mut families) = (BTreeMap::new(), Vec::<(String, String)>::new());
    let mut helped = "";
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, says) = help.split_once(' ').expect("a name and its help");
            assert!(!says.trim().is_empty(), "{line}");
            helped = name;
        } else if let Some(of) = line.strip_prefix("# TYPE ") {
            let (name, kind) = of.split_once(' ').expect("a name and its type");
            assert_eq!(name, helped, "the type follows the help");
            assert!(families.iter().all(|(other, _)| other != name), "{name} comes twice");
            families.push((name.to_owned(), kind.to_owned()));
        } else {
            let (key, value) = line.rsplit_once(' ').expect("a sample");
            let (family, _) = families.last().expect("a type before it");
            assert!(key.starts_with(family.as_str()), "{line} stands with {family}");
            let twice = samples.insert(key.to_owned(), value.parse().expect("a number"));
            assert!(twice.is_none(), "{line} comes twice");
        }
    }
    (samples, families)
}

#[test]
fn its_numbers_are_the_counters() {
    let (engine, port) = start(reactors(2), at(Echo));
    let mut client = Client::connect(port);
    client.echoes(TEXT, "counted");
    client.close();
    engine.stop(std::time::Duration::from_secs(10));
    engine.wait().expect("a stop");
    let (samples, families) = parse(&engine.metrics());
    let mut seen = 0;
    for row in ROWS {
        let kind = if row.kind == Kind::Counter { "counter" } else { "gauge" };
        assert!(families.contains(&(row.name.to_owned(), kind.to_owned())), "{row:?}");
        for reactor in 0..2 {
            let stats = engine.stats(Some(reactor)).expect("two of them");
            for (at, value) in row.values(&stats).iter().enumerate() {
                let mut labels = format!("reactor=\"{reactor}\"");
                if let Some(of) = row.label_values.get(at) {
                    labels += &format!(",{}=\"{of}\"", row.label);
                }
                let key = format!("{}{{{labels}}}", row.name);
                assert_eq!(samples.get(&key), Some(&(*value as f64)), "{key}");
                seen += 1;
            }
        }
    }
    for row in &HISTOGRAMS {
        assert!(families.contains(&(row.name.to_owned(), "histogram".to_owned())), "{row:?}");
        for reactor in 0..2 {
            let of = engine.histogram(Some(reactor), row.of).expect("two of them");
            let key = |what: &str| format!("{}_{what}{{reactor=\"{reactor}\"}}", row.name);
            assert_eq!(samples[&key("count")], of.count() as f64);
            let unit = if row.is_time { 1e6 } else { 1.0 };
            assert_eq!(samples[&key("sum")], of.sum() as f64 / unit);
            let of_it = format!("{}_bucket{{reactor=\"{reactor}\",le=\"", row.name);
            let mut buckets: Vec<(f64, f64)> = samples
                .iter()
                .filter_map(|(key, value)| {
                    let le = key.strip_prefix(&of_it)?.strip_suffix("\"}")?;
                    Some((le.parse().expect("a number"), *value))
                })
                .collect();
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, of.count() as f64)));
            seen += 2 + buckets.len();
        }
    }
    assert_eq!(seen, samples.len(), "nothing else is in it");
    assert_eq!(engine.histogram(None, Measure::HandshakeUs).expect("all").count(), 1);
    let total = engine.stats(None).expect("all of them");
    assert_eq!((total.messages_in, total.upgraded), (1, 1));
}
