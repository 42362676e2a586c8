//! A line per sample, for other tools.

use crate::compare::{Comparison, Metric, Outcome};
use std::fmt::Write;

/// With a header line; fields as RFC 4180 quotes them.
pub fn csv(comparison: &Comparison) -> String {
    let mut out = String::from(
        "row,mode,deflate,tls,server,buffers,buffer_size,round,at_seconds,counts,failed",
    );
    for metric in Metric::ALL {
        let _ = write!(out, ",{}", metric.name());
    }
    out.push('\n');
    for sample in &comparison.samples {
        let row = comparison.suite.row.iter().find(|row| row.name == sample.row);
        let mode = row.map(|row| format!("{:?}", row.mode).to_lowercase()).unwrap_or_default();
        let wire = row.map(|row| format!("{},{}", row.deflate.name(), row.tls));
        let wire = wire.unwrap_or_else(|| ",".into());
        let (buffers, size) = sample.geometry.map_or((String::new(), String::new()), |it| {
            (it.buffers.to_string(), it.size.to_string())
        });
        let _ = write!(
            out,
            "{},{mode},{wire},{},{buffers},{size},{},{:.3},{},{}",
            quoted(&sample.row),
            quoted(&sample.server),
            sample.round,
            sample.at,
            sample.counts,
            quoted(sample.failure().unwrap_or_default()),
        );
        for metric in Metric::ALL {
            out.push(',');
            if let Outcome::Done(figures) = &sample.outcome
                && let Some(value) = figures.get(metric)
            {
                let _ = write!(out, "{value}");
            }
        }
        out.push('\n');
    }
    out
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(quoted("64 x 20 B x 1"), "64 x 20 B x 1");
        assert_eq!(quoted("memory: 2,000"), "\"memory: 2,000\"");
        assert_eq!(quoted("said \"no\"\nand left"), "\"said \"\"no\"\"\nand left\"");
    }
}
