//! The relays that count: who they are, where they are reached, whose they are.
//!
//! In: contacts, one by one or as bytes. Out: a [`RelayList`], which does not change and is cheap to
//! clone. *Not* here yet: signed snapshots and where they come from. *Not* here ever: which relays a
//! client chooses. Specification: `docs/spec/07-path.md` §1, and `docs/spec/11-swarms.md`.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod contact;
mod epoch;
mod list;
pub mod swarm;

pub use contact::{AddressError, Addresses, Family, RelayContact};
pub use epoch::{Epoch, KeyEpoch};
pub use list::{ListError, RelayList};
