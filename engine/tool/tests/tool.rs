//! The tool as a process: each subcommand as people and scripts use it.

#[path = "tool/bad.rs"]
mod bad;
#[path = "tool/check.rs"]
mod check;
#[path = "tool/connect.rs"]
mod connect;
#[path = "tool/others.rs"]
mod others;
#[path = "tool/readme.rs"]
mod readme;
#[path = "tool/serve.rs"]
mod serve;
#[path = "tool/support.rs"]
mod support;
#[path = "tool/typed.rs"]
mod typed;
