//! Upgrades and requests that are answered after their callback, on the real kernel.

#[path = "later/answers.rs"]
mod answers;
#[path = "later/ends.rs"]
mod ends;
#[path = "support/service.rs"]
mod running;
#[path = "later/service.rs"]
mod service;
