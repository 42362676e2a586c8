//! Floor 4: the C ABI. `include/ringws.h` is generated from these files; its first comment is the
//! contract that every function here relies on.
//!
//! Each function is guard → convert → call → map: `guard` stops panics, `types`, `own` and
//! `sized` turn C's arguments into Rust's, the engine does the work, `status` maps the result.
//! One file per C type.
#![allow(non_camel_case_types, reason = "the names are C's")]
#![allow(clippy::missing_safety_doc, reason = "the contract stands once, at the top of ringws.h")]

pub mod address;
pub mod adopt;
pub mod attach;
pub mod buf;
pub mod bus;
pub mod callbacks;
pub mod config;
pub mod conn;
pub mod constants;
pub mod credentials;
pub mod drain;
pub mod endpoint;
pub mod engine;
pub mod features;

mod guard;
pub mod handle;
pub mod history;
pub mod later;
pub mod message;
pub mod metrics;
pub mod nats;
pub mod options;
mod own;
pub mod proxied;
pub mod queue;
pub mod reactor;
pub mod request;
pub mod route;
mod sized;
pub mod stats;
pub mod status;
pub mod succession;
pub mod target;
pub mod timer;
pub mod tls;
pub mod topic;
mod tsan;
pub mod types;
pub mod upgrade;
mod watched;

/// The host decides about allocators; this feature decides for the Rust code of the library.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
