//! A relay's table of paths: what becomes of a cell, a build and a path at a relay.
//!
//! In: cells as links deliver them, hops as builds leave them, the time. Out: a [`Verdict`] a cell,
//! which works in the caller's buffer and allocates nothing; [`Closing`]s; the order in which cells
//! leave ([`FairQueue`]); which builds are admitted ([`BuildAdmission`]); the message that closes
//! paths ([`message`]), and those that it is still to name ([`Closes`]). *Not* here: links, tasks, clocks, what a terminal does with data.
//! Specification: `docs/spec/04-hop.md`.
//!
//! ```text
//!                 prev link                        next link
//!   client ─ … ──▶ our id up ─┐  ┌──────────┐  ┌─▶ their id up ── … ─▶ terminal
//!                             ├─▶│ PathTable│──┤
//!   client ◀ … ─ their id down┘  └──────────┘  └── our id down ◀─ … ── terminal
//!
//!   cell ─▶ id, link ─▶ filter ─▶ onion layer ─▶ Forward ─▶ FairQueue of the link ─▶ link
//!             └ Drop      └ Drop       └─▶ Answer, Deliver, Closed, Absorbed
//! ```

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod admission;
mod closes;
mod fair;
mod filter;
mod lists;
pub mod message;
mod path;
mod pool;
mod table;
mod verdict;

pub use admission::{Asker, BuildAdmission, Network, Shed, Ticket};
pub use closes::Closes;
pub use fair::{FairLimits, FairQueue, Overflow};
pub use pool::{CellBuf, CellPool};
pub use table::{InsertError, PathTable, SendError};
pub use verdict::{
    CloseNext, Closing, Counts, DropReason, LinkId, NewPath, PathRef, Side, Verdict,
};

pub use crate::wire::Millis;
use crate::wire::limits::CELL_LEN;

/// A cell as a link carries it: path id, then body.
pub type Cell = [u8; CELL_LEN];
