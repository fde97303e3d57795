//! The relays that count: who they are, where they are reached, whose they are.
//!
//! In: signed snapshots and deltas as bytes, offered to a [`Ledger`]; documents that relays signed, given
//! to a [`Directory`]; what several sources say of theirs. Out: [`VerifiedSnapshot`]s, which enough
//! authorities have signed; a [`RelayList`], which does not change and is cheap to clone; for authorities,
//! drafts and [`Signature`]s. *Not* here: where bytes come from, clocks and disks; which relays a client
//! chooses. Specification: `docs/spec/09-registry.md`, `docs/spec/10-directory.md`,
//! `docs/spec/11-swarms.md`; contacts and their list, `docs/spec/07-path.md` §1.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod bytes;
mod charter;
mod contact;
mod delta;
mod descriptor;
pub mod directory;
mod document;
mod entry;
mod epoch;
mod equivocation;
mod key_set;
mod ledger;
mod list;
pub mod message;
mod params;
mod refused;
mod signatures;
mod signed;
mod snapshot;
mod succession;
pub mod swarm;
pub mod sync;
mod terms;

pub use charter::{Charter, CharterChain, CharterError, CharterHash, Root, SignedCharter};
pub use contact::{AddressError, Addresses, Family, RelayContact};
pub use delta::{Delta, DeltaError};
pub use descriptor::{Descriptor, Presence, VerifiedDescriptor};
pub use directory::Directory;
pub use document::{Document, Kind, Name};
pub use entry::{Entry, Registration};
pub use epoch::{Epoch, KeyEpoch};
pub use equivocation::{Equivocation, VerifiedEquivocation};
pub use key_set::{KeySet, VerifiedKeySet};
pub use ledger::Ledger;
pub use list::{ListError, RelayList};
pub use params::{Parameters, ParametersError};
pub use refused::{Changed, Head, LedgerError, Refused, Unfit};
pub use signatures::{Signature, SignatureError};
pub use signed::{Forged, SignedSnapshot, VerifiedSnapshot};
pub use snapshot::{Snapshot, SnapshotHash};
pub use succession::{AssignSwarms, Changes, DraftError, OrderError, assign_swarms};
pub use terms::{Terms, TermsError};
