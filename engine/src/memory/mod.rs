//! Floor 0: the memory of messages: what is sent or kept by reference, what one send owns, and
//! spare vectors.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod batch;
pub mod outgoing;
mod pieces;
pub mod pool;
pub mod shared;

pub use batch::Batch;
pub(crate) use batch::Queue;
pub use outgoing::Outgoing;
pub(crate) use outgoing::SHARE_MIN;
pub use pool::Pool;
pub use shared::Shared;
