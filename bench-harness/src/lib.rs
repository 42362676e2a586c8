//! Measuring WebSocket servers: a load generator that checks every byte it gets back, the ceilings
//! that no server can pass, and the comparison of servers taken in turn.
//!
//! Nothing but `codec` and the processes that `bus` and `cluster` start use the engine: the load
//! generator speaks WebSocket by its own means, so that a defect of the engine cannot hide in the
//! tool that measures it. Servers are processes, started by a command line, whatever they are
//! written in.
//!
//! ```text
//! bench-all, bus, campaign, cluster, compare, load, peers, polite, scale ... programs (src/bin)
//! compare .............................. servers in turn, tables
//! publish | html ....................... JSON, CSV, Markdown | the report, with its drawings
//! scenario, report ..................... rows as data | figures
//! load | ceiling ....................... the closed loop | the bare echo, of bytes or of frames
//! campaign ............................. faults on the real kernel, and an account of all messages
//! polite ............................... who waits how long while others are in the way
//! cluster .............................. engines across brokers under fire, and their judge
//! bus .................................. how long a message takes to another engine, how many go
//! stream, frame, handshake ............. bytes prepared and checked, RFC 6455 as a client
//! json, random | inflate, tls .......... what messages hold | RFC 7692 and TLS 1.3 as a client
//! server, example ...................... children | building the C example
//! peers ................................ what ringws is compared with: installed, built, described
//! codec ................................ bytes in memory: the engine's codec by itself
//! ring | process, machine .............. io_uring (the only unsafe code) | /proc, CPUs, limits
//! ```
#![deny(unsafe_code)]

pub mod bus;
pub mod campaign;
pub mod ceiling;
pub mod cluster;
pub mod codec;
pub mod compare;
pub mod error;
pub mod example;
pub mod frame;
pub mod handshake;
pub mod html;
pub mod inflate;
pub mod json;
pub mod load;
pub mod machine;
pub mod peers;
pub mod polite;
pub mod process;
pub mod publish;
pub mod random;
pub mod report;
#[allow(unsafe_code)]
pub mod ring;
pub mod scale;
pub mod scenario;
pub mod server;
pub mod stream;
pub mod tls;

pub use error::{Error, Result};
