//! Introsets at the end of a path: who takes them there, and who asks for them.
//!
//! In: requests of `introset/1`, the beacons that a node knows, an [`IntrosetStore`]. Out: answers;
//! for clients, [`ask`]. *Not* here: what makes a record good ([`crate::introset`]); how storers find
//! each other, which is the store's own business; when a client publishes and whom it believes
//! ([`crate::client`]). Specification: `docs/spec/12-introsets.md` §8.
//!
//! ```text
//!  client ─ tunnel ─ introset/1 ─▶ IntrosetService ─ verified ─▶ IntrosetStore ─▶ storers
//!                                     ▲ Beacons
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
mod ask;
mod beacons;
mod memory;
mod service;

use core::pin::Pin;

pub use ask::{AskError, ask};
pub use beacons::{Beacons, KnowsBeacons};
pub use memory::StorerInMemory;
pub use service::{IntrosetService, ServiceConfig};

use crate::introset::{Location, Record, VerifiedRecord};

/// What a store will come to say.
pub type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where a terminal puts introsets, and finds them: among all storers of the network.
pub trait IntrosetStore: Send + Sync {
    /// Hands a record to the storers of `place`. Dropped, it may or may not be stored.
    fn put(&self, place: Location, record: VerifiedRecord) -> Answering<Result<Put, StoreError>>;

    /// The records that storers of `place` hold, each of them verified, the newest first; at most
    /// [`FETCH_RECORDS_MAX`](crate::wire::limits::FETCH_RECORDS_MAX). None is no error.
    fn find(&self, place: Location) -> Answering<Result<Vec<Record>, StoreError>>;
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Storers hold it, or one that they already held is this very one.
    Stored {
        /// How many said so.
        copies: u8,
    },
    /// Storers hold this one, which is newer.
    Stale(Record),
}

/// Why a store does not do what it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Storers have no room for it.
    #[error("the storers have no room")]
    Full,
    /// Too much is under way.
    #[error("too much is under way; again in {seconds} s")]
    Busy {
        /// How long to wait.
        seconds: u32,
    },
    /// No storer answered.
    #[error("no storer answered")]
    NoAnswer,
}
