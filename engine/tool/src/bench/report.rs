//! What was measured, for people and for programs.

use super::Bench;
use super::load::Measured;
use crate::error::Result;
use crate::out::Out;
use serde::Serialize;
use std::time::Duration;

/// Times in microseconds.
#[derive(Serialize)]
pub(super) struct Report {
    url: String,
    connections: u32,
    size: u64,
    depth: u32,
    threads: u32,
    seconds: f64,
    messages: u64,
    messages_per_second: f64,
    mebibytes_per_second: f64,
    mean_us: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    max_us: f64,
    least_served: u64,
    most_served: u64,
    wrong: u64,
    lost: u32,
}

impl Report {
    pub(super) fn new(bench: &Bench, measured: &Measured, took: Duration) -> Self {
        let messages: u64 = measured.lines.iter().sum();
        let seconds = took.as_secs_f64().max(1e-9);
        let per_second = messages as f64 / seconds;
        let us = |nanoseconds: u64| (nanoseconds as f64 / 100.0).round() / 10.0;
        let quantile = |of: f64| us(measured.times.value_at_quantile(of));
        Self {
            url: bench.url.clone(),
            connections: bench.connections,
            size: bench.size,
            depth: bench.depth,
            threads: bench.threads,
            seconds,
            messages,
            messages_per_second: per_second,
            mebibytes_per_second: per_second * bench.size as f64 / f64::from(1 << 20),
            mean_us: us(measured.times.mean() as u64),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: us(measured.times.max()),
            least_served: measured.lines.iter().min().copied().unwrap_or_default(),
            most_served: measured.lines.iter().max().copied().unwrap_or_default(),
            wrong: measured.wrong,
            lost: measured.lost,
        }
    }

    /// Whether all that came was what was sent, on connections that have lasted.
    pub(super) fn is_whole(&self) -> bool {
        self.wrong == 0 && self.lost == 0
    }

    pub(super) fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self).map_err(std::io::Error::from)?)
    }

    pub(super) fn print(&self, out: &mut Out) -> Result<()> {
        let Self { connections, size, depth, seconds, .. } = self;
        out.line(format_args!(
            "{connections} connections, {size} bytes, {depth} under way each, {seconds:.1} s"
        ))?;
        out.line(format_args!(
            "throughput  {:.0} messages/s there and back, {:.1} MiB/s each way",
            self.messages_per_second, self.mebibytes_per_second
        ))?;
        out.line(format_args!(
            "round trip  p50 {} us, p99 {} us, p99.9 {} us, longest {} us",
            self.p50_us, self.p99_us, self.p999_us, self.max_us
        ))?;
        out.line(format_args!(
            "fairness    the least served connection {} messages, the most served {}",
            self.least_served, self.most_served
        ))?;
        if !self.is_whole() {
            let Self { wrong, lost, .. } = self;
            out.line(format_args!(
                "{wrong} messages were not what was sent, {lost} connections gone"
            ))?;
        }
        Ok(())
    }
}
