//! What the loads report, in the figures that all modes share.

use super::sample::{Figures, Metric};
use crate::error::{Error, Result};
use crate::load::broadcast::BroadcastReport;
use crate::load::churn::ChurnReport;
use crate::load::open::OpenReport;
use crate::report::{ServerUse, Sides};

/// From this share of failed connections on, a server counts as failed.
const FAILURES_MAX: f64 = 0.01;

impl From<&OpenReport> for Figures {
    fn from(report: &OpenReport) -> Self {
        let mut figures = sides(Metric::CpuUsPerMessage, &report.sides)
            .with([
                (Metric::OfferedPerSecond, report.rate),
                (Metric::MessagesPerSecond, report.achieved_per_second),
                (Metric::Unanswered, report.unanswered as f64),
                (Metric::Late, report.late),
            ])
            .with_latency(&report.latency)
            .with_served(report.served);
        if report.spin {
            // A load that waits in a loop is always busy, which says nothing.
            figures.of.remove(&Metric::LoadCpu);
        }
        figures
    }
}

impl From<&BroadcastReport> for Figures {
    fn from(report: &BroadcastReport) -> Self {
        sides(Metric::CpuUsPerMessage, &report.sides)
            .with([
                (Metric::MessagesPerSecond, report.deliveries_per_second),
                (Metric::FirstP50, report.first.p50),
                (Metric::FirstP99, report.first.p99),
                (Metric::FirstP999, report.first.p999),
            ])
            .with_latency(&report.last)
            .with_served(report.served)
    }
}

/// The figures of opening and closing, unless too much of it went wrong.
pub(super) fn churn(report: &ChurnReport) -> Result<Figures> {
    let failures = report.failures.total();
    if failures as f64 > report.handshakes as f64 * FAILURES_MAX {
        let last = report.last_failure.as_deref().unwrap_or("unknown");
        return Err(Error::Server(format!(
            "{failures} connections failed, {} did not; the last: {last}",
            report.handshakes
        )));
    }
    Ok(sides(Metric::CpuUsPerConnection, &report.sides)
        .with([
            (Metric::ConnectionsPerSecond, report.handshakes_per_second),
            (Metric::Failures, failures as f64),
        ])
        .with_latency(&report.latency)
        .with_served(report.served))
}

/// Less than a tick of CPU time is no measurement.
pub(super) fn server_cost(metric: Metric, server: &ServerUse) -> Option<(Metric, f64)> {
    (server.cpu_us_per_message > 0.0).then_some((metric, server.cpu_us_per_message))
}

fn sides(cost: Metric, sides: &Sides) -> Figures {
    Figures::default()
        .with([(Metric::LoadCpu, sides.load.cpu), (Metric::Disturbed, sides.disturbed)])
        .with(sides.server.as_ref().and_then(|server| server_cost(cost, server)))
        .with_server(sides.server.as_ref())
}
