//! A WebSocket engine for Linux: a thread and an io_uring per core.
#![deny(unsafe_code)]

pub mod buffer;
#[cfg(feature = "uring")]
pub mod config;
pub mod conn;
#[cfg(feature = "uring")]
pub mod engine;
#[cfg(feature = "uring")]
mod listen;
pub mod proto;
#[cfg(feature = "uring")]
pub mod reactor;
#[cfg(feature = "uring")]
#[allow(unsafe_code)]
pub mod ring;
#[cfg(feature = "sim")]
pub mod sim;
#[allow(unsafe_code)]
pub mod simd;
pub mod tick;
