//! What `scale` measures, with few connections: that it goes on working, and that nobody is lost.

use ringws_bench::scale::subject::{self, Settings, Subject};
use ringws_bench::scale::{Where, idle, page};
use std::time::Duration;

/// Beside other tests, so not behind all others.
fn clients() -> Where {
    Where { program: env!("CARGO_BIN_EXE_scale").into(), cpu: 1, behind: false }
}

#[test]
fn two_thousand_are_idle_and_nobody_is_lost() {
    let program = subject::prepare().expect("built");
    let settings = Settings { reactors: 2, connections_max: 2_000, idle_timeout_ms: 6_000 };
    let subject = Subject::start(&program, settings, 0, None).expect("it listens");
    let plan = idle::Plan {
        connections: 2_000,
        each: 1_000,
        hold: Duration::from_millis(3_500),
        clients: clients(),
        settle: Duration::from_millis(100),
        between: Duration::from_millis(100),
        twice: true,
    };
    let report = idle::run(&plan, &subject, &|_| {}).expect("all come, hear and go");
    let idle::Wrong { lost, attempts, bytes, unanswered } = report.wrong;
    assert_eq!([lost, attempts, bytes, unanswered], [0; 4], "{report:?}");
    assert_eq!(report.processes, 2);
    assert!(report.quiet.pings >= 1_000, "{:?}", report.quiet);
    assert_eq!(report.by_reactor.iter().sum::<f64>(), 2_001.0, "and who asks");
    assert!(report.resident_each > 100.0 && report.resident_each < 8_192.0, "{report:?}");
    let document = page::idle(&[("few".into(), report)]);
    assert!(document.table().markdown().contains("| connections | 2000 |"));
    subject.server.interrupt().expect("it ends");
}
