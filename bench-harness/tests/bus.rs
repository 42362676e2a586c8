//! What `bus` measures, for a moment: that it goes on working, and that nothing is lost.

use ringws_bench::bus::{self, Plan, page};
use ringws_bench::cluster;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn messages_cross_in_order_and_what_goes_is_counted() {
    let Some(broker) = cluster::broker_version() else {
        let text = "bus: NOT RUN, nats-server is not installed (apt-get install nats-server)";
        // Not by a macro: what these print the harness of the tests keeps to itself.
        writeln!(std::io::stderr(), "{text}").expect("it can be told");
        return;
    };
    let directory = std::env::temp_dir().join(format!("ringws-bus-{}", std::process::id()));
    let plan = Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_bus")),
        directory: directory.clone(),
        cpus: None,
        size: 64,
        rates: vec![200],
        time: Duration::from_secs(1),
        ramp: [1_000, 1_250],
        step: Duration::from_millis(500),
    };
    let report = bus::run(&plan, broker, &|_| ()).expect("it runs");
    let [of] = &report.latencies[..] else { panic!("{report:?}") };
    assert_eq!(of.messages, 200);
    assert!(of.across.p50 > 0.0 && of.within.p50 > 0.0 && of.bare.p50 > 0.0, "{of:?}");
    assert_eq!(report.ramp.steps.len(), 2, "{report:?}");
    for step in &report.ramp.steps {
        assert_eq!((step.refused, step.told, step.bare_lost), (0, 0, 0), "{step:?}");
        assert!(step.accepted >= 400 && step.delivered == step.accepted, "{step:?}");
    }
    assert_eq!(report.ramp.first_refused(), None);
    assert!(page::page(&report).text().contains("refuses from none"));
    std::fs::remove_dir_all(directory).expect("its own");
}
