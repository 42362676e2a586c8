//! A WebSocket engine for Linux: a thread and an io_uring per core.
//!
//! Implement `reactor::Handler`, describe where to listen with `config::Endpoint`, and start an
//! `engine::Engine`; `examples/echo.rs` is all of it. The floors, from the bottom:
//!
//! 0. `proto` (RFC 6455 on bytes), `memory` (of messages), `simd` (masking)
//! 1. `conn` (one connection, no I/O), `ring` (the kernel, no WebSocket) and `tls` (no I/O)
//! 2. `reactor` (one thread, where both meet)
//! 3. `engine`, `config` (threads, start and stop)
//!
//! `aio` (feature `tokio-uring`) is `async`/`await` on another runtime, beside floors 2 and 3.
//!
//! Arrows point down only. Without the feature `uring` the crate is floors 0 and 1 of the protocol.
#![deny(unsafe_code)]
// The short ways of messages are for the reactor.
#![cfg_attr(not(feature = "uring"), allow(dead_code))]

#[cfg(feature = "tokio-uring")]
pub mod aio;
#[cfg(feature = "uring")]
mod attached;
#[cfg(feature = "uring")]
pub mod broker;
pub mod bus;
pub mod codec;
#[cfg(feature = "uring")]
pub mod config;
pub mod conn;
#[cfg(feature = "uring")]
pub mod engine;
#[cfg(feature = "uring")]
mod error;
#[cfg(feature = "uring")]
mod listen;
pub mod memory;
#[cfg(feature = "uring")]
mod memory_max;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "uring")]
pub mod passed;
pub mod proto;
#[cfg(any(feature = "uring", feature = "tokio-uring"))]
mod random;
#[cfg(feature = "uring")]
pub mod reactor;
#[cfg(feature = "uring")]
mod resolve;
#[cfg(feature = "uring")]
#[allow(unsafe_code)]
pub mod ring;
#[cfg(feature = "sim")]
pub mod sim;
#[allow(unsafe_code)]
pub mod simd;
#[cfg(feature = "uring")]
pub mod succession;
#[cfg(feature = "uring")]
mod thread;
pub mod tick;
pub mod tls;
