//! Connections that the engine makes, on the real kernel.

#[path = "dial/support.rs"]
mod support;

#[path = "dial/echo.rs"]
mod echo;
