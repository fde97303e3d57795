//! Durable tables: what must be there again after a crash.
//!
//! In: [`Batch`]es of changes, keys and values as bytes. Out: a batch is durable when
//! [`Store::commit`] says so, as a whole or not at all; rows come back ordered by key. *Not* here:
//! what a row means, its encoding, when it expires, encryption at rest. The store is of this
//! machine alone and has no page in `docs/spec`; why it is as it is stands in `docs/decisions.md`.
//!
//! ```text
//!   commit ─▶ at most 16 MiB wait ─▶ writer thread: all that wait, one transaction, ─▶ file ─▶ Ok
//!   commit ─▶         ┘                             its syncs shared                      └──▶ Ok
//!   get, range, read ◀── snapshot of the last durable state ─────────────────────────────┘
//! ```
//!
//! Reads run on the caller's thread and may wait for the disk, so they do not belong on the thread
//! that forwards cells. [`Store::in_memory`] means the same, without thread, disk or waiting.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod apply;
mod batch;
mod engine;
mod error;
mod file;
mod handle;
mod medium;
mod memory;
mod range;
mod snapshot;
mod writer;

pub use batch::{Batch, TableId};
pub use error::{CommitError, OpenError, ReadError, Remedy};
pub use handle::{Store, StoreOptions};
pub use medium::Medium;
pub use range::KeyRange;
pub use snapshot::{Row, Snapshot};
