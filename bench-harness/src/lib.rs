//! Measuring WebSocket servers: a load generator that checks every byte it gets back, the ceiling
//! that no server can pass, and the comparison of servers taken in turn.
//!
//! Nothing here uses the engine: the load generator speaks WebSocket by its own means, so that a
//! defect of the engine cannot hide in the tool that measures it. Servers are processes, started
//! by a command line, whatever they are written in.
//!
//! ```text
//! load, ceiling-tcp .................... the programs (src/bin)
//! scenario, report ..................... rows as data | figures
//! load | ceiling ....................... the closed loop | the bare echo
//! stream, frame, handshake ............. bytes prepared and checked, RFC 6455 as a client
//! ring | process, machine .............. io_uring (the only unsafe code) | /proc, children, CPUs
//! ```
#![deny(unsafe_code)]

pub mod ceiling;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod load;
pub mod machine;
pub mod process;
pub mod report;
#[allow(unsafe_code)]
pub mod ring;
pub mod scenario;
pub mod stream;

pub use error::{Error, Result};
