//! What a node knows of its network, shared by its tasks: kept on the disk, told to whoever asks,
//! compared with what others know.
//!
//! In: whom to trust (the root charter), where to begin (bootstrap relays), snapshots and documents
//! from anywhere. Out: a [`NetworkView`]; answers; comparisons over links and tunnels. *Not* here:
//! what makes a snapshot or a document good ([`crate::registry`]); when to compare, and with whom:
//! that is the relay's and the client's. Specification: `docs/spec/10-directory.md` §10.
//!
//! ```text
//!  file, HTTP ─ snapshot ─▶ NetworkView: Ledger ─ members ─▶ Directory ─▶ lists for paths
//!  links, tunnels ─ compare ─▶   │                               │
//!                                └────────── keeper ─────────────┴──▶ Store
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

mod allowance;
mod compare;
mod fork;
mod look;
mod memory;
mod news;
mod pace;
mod service;
mod view;
mod way;

pub use compare::{Comparison, FetchFailed, compare, fetch_snapshot};
pub use fork::Fork;
pub use look::{Seen, catch_up, look};
pub use service::DirectoryService;
pub use view::{Bootstrap, NetworkView, OpenError, Verify, ViewConfig, taken};
pub use way::{AskError, Way};
