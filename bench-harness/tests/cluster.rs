//! A run of the cluster under fire, shorter than usual.

use ringws_bench::cluster::{self, Plan};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

#[test]
fn whatever_is_lost_under_fire_is_told() {
    if cluster::broker_version().is_none() {
        let text = "cluster: NOT RUN, nats-server is not installed (apt-get install nats-server)";
        // Not by a macro: what these print the harness of the tests keeps to itself.
        writeln!(std::io::stderr(), "{text}").expect("it can be told");
        return;
    }
    let directory = std::env::temp_dir().join(format!("ringws-cluster-{}", std::process::id()));
    let plan = Plan {
        program: PathBuf::from(env!("CARGO_BIN_EXE_cluster")),
        directory: directory.clone(),
        seed: 3,
        length: Duration::from_secs(11),
        rate: 100,
        calm: false,
    };
    let outcome = cluster::run(&plan, &AtomicBool::new(false), &|_, _| ()).expect("it runs");
    assert_eq!(outcome.findings, [], "{}: {:?}", directory.display(), outcome.faults);
    assert!(outcome.faults.len() >= 4, "{:?}", outcome.faults);
    assert!(outcome.figures.delivered > 1_000, "{:?}", outcome.figures);
    std::fs::remove_dir_all(directory).expect("its own");
}
