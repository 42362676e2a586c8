//! A cluster under fire: engines whose topics cross three brokers, members and publishers on each,
//! and processes that are killed, frozen, stopped and started again. Then a judge that has seen
//! only what members were told says whether that was all.
//!
//! ```text
//! oracle ......... what must agree (pure; tests of its own)
//! run ............ one run: processes, clients, faults
//! clients ........ members and publishers | client, wire: how they speak
//! faults ......... what is done to whom, by a seed
//! children ....... the processes, which end with this one | engine: what is in one
//! history, stage . what was seen | what threads share
//! ```

pub(crate) mod children;
pub(crate) mod client;
mod clients;
mod engine;
mod faults;
mod history;
mod oracle;
mod run;
mod stage;
mod wire;

pub use children::{become_broker, broker_version};
pub(crate) use engine::NUMBER;
pub use engine::{Tuning, serve};
pub use oracle::{Figures, Finding};
pub use run::{Outcome, Plan, Progress, run};
pub(crate) use wire::{FIRST_WITHIN, missing};
