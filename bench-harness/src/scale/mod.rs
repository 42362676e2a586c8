//! Scale: very many idle connections, a storm of upgrades, hours of everything at once.
//!
//! Clients are processes, because each has only so many descriptors, and run behind all others on
//! their CPU (`SCHED_IDLE`): who is measured beside them does not wait for them.
//!
//! ```text
//! idle | storm | soak ......... what is measured      page ....... as a document
//! fleet ....................... processes of clients  subject .... the servers
//! crowd | peer | counts ....... one of them           watcher .... who is served among them
//! watch, trend ................ what there is, and how it grows
//! ```

mod counts;
mod crowd;
mod fleet;
pub mod idle;
pub mod page;
mod peer;
pub mod soak;
pub mod storm;
pub mod subject;
mod trend;
mod watch;
mod watcher;

pub use counts::Counts;
pub(crate) use crowd::now_ns;
pub use fleet::{Where, serve};
pub use trend::Trend;
pub use watch::Memory;
pub use watcher::Watched;
