//! Floor 2: one thread, where connections and the kernel meet.

pub mod ctx;
pub mod handler;
pub mod stats;

pub use ctx::{CallError, Conn, Context, Timer};
pub use handler::{Closed, Handler, Message, Upgrade};
pub use stats::Stats;
