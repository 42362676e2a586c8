//! Conformance: runs the fuzzing client of the Autobahn suite against an echo server of ringws and
//! compares each case with what `expected.toml` says it must give.
//!
//! From the bottom: [`case`] numbers and [`spec`] lists the cases, [`mod@expected`] says what they
//! must give, [`shard`] shares them out; [`suite`] finds or installs wstest, [`mod@build`] and
//! [`server`] bring an echo server up, [`run`] runs one against the other, [`report`] and [`index`]
//! tell the result.

pub mod build;
pub mod case;
pub mod command;
pub mod error;
pub mod expected;
pub mod index;
pub mod progress;
pub mod python;
pub mod report;
pub mod run;
pub mod server;
pub mod shard;
pub mod spec;
pub mod suite;
pub mod workspace;
