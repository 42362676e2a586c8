//! Conformance: runs the fuzzing client of the Autobahn suite against an echo server of ringws, or
//! its fuzzing server against a client, and compares each case with what `expected.toml` says it
//! must give.
//!
//! From the bottom: [`case`] numbers and [`spec`] lists the cases, [`mod@expected`] says what they
//! must give, [`shard`] shares them out; [`suite`] finds or installs wstest, [`mode`] names the
//! ways to work, [`certificate`], [`mod@build`] and [`server`] bring a program up, [`run`] runs all
//! shares of the suite at once, [`report`] and [`index`] tell the result.

pub mod build;
pub mod case;
pub mod certificate;
pub mod command;
pub mod error;
pub mod expected;
pub mod index;
pub mod mode;
pub mod options;
mod process;
pub mod progress;
pub mod python;
pub mod report;
pub mod run;
pub mod server;
pub mod shard;
pub mod spec;
pub mod suite;
pub mod workspace;
