//! The relays that count: who they are, where they are reached, whose they are.
//!
//! In: contacts, one by one or as bytes; documents that relays signed. Out: a [`RelayList`], which
//! does not change and is cheap to clone. *Not* here yet: signed snapshots and where they come from.
//! *Not* here ever: which relays a client chooses. Specification: `docs/spec/07-path.md` §1 and
//! `docs/spec/10-directory.md`.

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
mod descriptor;
pub mod directory;
mod document;
mod epoch;
mod equivocation;
mod key_set;
mod list;
pub mod message;
pub mod swarm;
pub mod sync;

pub use contact::{AddressError, Addresses, Family, RelayContact};
pub use descriptor::{Descriptor, Presence, VerifiedDescriptor};
pub use directory::Directory;
pub use document::{Document, Kind, Name};
pub use epoch::{Epoch, KeyEpoch};
pub use equivocation::{Equivocation, VerifiedEquivocation};
pub use key_set::{KeySet, VerifiedKeySet};
pub use list::{ListError, RelayList};
