//! What `scale` measures, with few connections: that it goes on working, and that nobody is lost.

use ringws_bench::scale::subject::{self, Settings, Subject};
use ringws_bench::scale::{Where, idle, page, soak, storm};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// They take their turns: each has both CPUs.
static TURN: Mutex<()> = Mutex::new(());

/// Built once: a program that is being written cannot be run.
fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| subject::prepare().expect("built")).clone()
}

/// Beside other tests, so not behind all others.
fn clients() -> Where {
    Where { program: env!("CARGO_BIN_EXE_scale").into(), cpu: 1, behind: false }
}

#[test]
fn two_thousand_are_idle_and_nobody_is_lost() {
    let _turn = TURN.lock();
    let program = program();
    let (reactors, connections_max, idle_timeout_ms) = (2, 2_000, 6_000);
    let settings = Settings { reactors, connections_max, idle_timeout_ms, admitted_per_second: 0 };
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
    assert!(document.text().contains("| connections | 2000 |"));
    subject.server.interrupt().expect("it ends");
}

#[test]
fn two_thousand_come_back_at_once_and_all_are_in() {
    let _turn = TURN.lock();
    let settings = Settings {
        reactors: 2,
        connections_max: 2_000,
        idle_timeout_ms: 60_000,
        admitted_per_second: 1_000,
    };
    let plan = storm::Plan {
        connections: 2_000,
        each: 1_000,
        settings,
        program: program(),
        cpu: 0,
        clients: clients(),
    };
    let report = storm::run(&plan, &|_| {}).expect("all are in again");
    assert_eq!((report.watched.unanswered, report.stuck), (0, 0), "{report:?}");
    assert!(report.refused > 0 && report.refused == report.told, "{report:?}");
    assert_eq!(report.refused_counted, report.refused as f64);
    assert!(report.all_seconds >= 1.5, "no faster than they are let in: {report:?}");
    let document = page::storm(&[("few".into(), report)]);
    assert!(document.text().contains("| let in in a second | 1000 |"));
}

#[test]
fn five_seconds_of_everything_and_all_adds_up() {
    let _turn = TURN.lock();
    let plan = soak::Plan {
        time: Duration::from_secs(5),
        // Other tests want the CPUs, too.
        share: 0.2,
        calibration: Duration::from_secs(1),
        program: program(),
        cpu: 0,
        directory: std::env::temp_dir().join(format!("ringws-soak-{}", std::process::id())),
    };
    let report = soak::run(&plan, &|_| {}).expect("it lasts");
    assert!(report.is_right(), "{:?} {:?}", report.lanes, report.sums);
    assert!(report.samples.len() >= 4, "{:?}", report.samples);
    assert!(page::soak(&report).text().contains("connections that are left"));
    std::fs::remove_dir_all(&plan.directory).expect("a certificate was there");
}
