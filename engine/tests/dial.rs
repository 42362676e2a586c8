//! Connections that the engine makes, on the real kernel.

#[path = "dial/cancel.rs"]
mod cancel;
#[path = "dial/echo.rs"]
mod echo;
#[path = "dial/hostile.rs"]
mod hostile;
#[path = "support/service.rs"]
mod service;
#[path = "dial/support.rs"]
mod support;
#[path = "dial/trouble.rs"]
mod trouble;
