//! Floor 0: memory of outgoing messages, and spare memory for incoming ones.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing))]

pub mod batch;
pub mod loan;
pub mod outgoing;
pub mod pool;

pub use batch::Batch;
pub use loan::{Lender, Loan};
pub use outgoing::Outgoing;
pub use pool::Pool;
