//! The ring on the real kernel, over loopback, with nothing of WebSocket above it.

#[path = "ring/child.rs"]
mod child;
#[path = "ring/connect.rs"]
mod connect;
#[path = "ring/direct.rs"]
mod direct;
#[path = "ring/echo.rs"]
mod echo;
#[path = "ring/ending.rs"]
mod ending;
#[path = "ring/gather.rs"]
mod gather;
#[path = "ring/harness.rs"]
mod harness;
#[path = "ring/kinds.rs"]
mod kinds;
#[path = "ring/large.rs"]
mod large;
#[path = "ring/limits.rs"]
mod limits;
#[path = "ring/pressure.rs"]
mod pressure;
#[path = "ring/progress.rs"]
mod progress;
#[path = "ring/races.rs"]
mod races;
#[path = "ring/refusal.rs"]
mod refusal;
#[path = "ring/waking.rs"]
mod waking;
