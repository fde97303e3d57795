//! The relays that count: who they are, where they are reached, whose they are.
//!
//! In: signed snapshots and deltas as bytes, offered to a [`Ledger`]; contacts, one by one or as bytes.
//! Out: [`VerifiedSnapshot`]s, which enough authorities have signed; a [`RelayList`], which does not
//! change and is cheap to clone; for authorities, drafts and [`Signature`]s. *Not* here: where bytes come
//! from, clocks and disks; which relays a client chooses. Specification: `docs/spec/09-registry.md`;
//! swarms, `docs/spec/11-swarms.md`; contacts and their list, `docs/spec/07-path.md` §1.

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
mod entry;
mod epoch;
mod ledger;
mod list;
mod params;
mod refused;
mod signatures;
mod signed;
mod snapshot;
mod succession;
pub mod swarm;
mod terms;

pub use charter::{Charter, CharterChain, CharterError, CharterHash, SignedCharter};
pub use contact::{AddressError, Addresses, Family, RelayContact};
pub use delta::{Delta, DeltaError};
pub use entry::{Entry, Registration};
pub use epoch::{Epoch, KeyEpoch};
pub use ledger::Ledger;
pub use list::{ListError, RelayList};
pub use params::{Parameters, ParametersError};
pub use refused::{Changed, Head, LedgerError, Refused, Unfit};
pub use signatures::{Signature, SignatureError};
pub use signed::{Forged, SignedSnapshot, VerifiedSnapshot};
pub use snapshot::{Snapshot, SnapshotHash};
pub use succession::{AssignSwarms, Changes, DraftError, OrderError, assign_swarms};
pub use terms::{Terms, TermsError};
