//! Why a document is not taken.

use super::super::KeyEpoch;
use crate::crypto::identity::{BadSignature, RelayId};

/// Why a document is not taken. Only [`Refused::Signature`] proves that whoever sent it is wrong;
/// the others happen among honest nodes whose clocks or snapshots differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The registry does not name the relay, or not yet.
    #[error("{relay} is none of the relays that count")]
    Stranger {
        /// The relay.
        relay: RelayId,
    },
    /// A proof excludes the relay.
    #[error("{relay} signed two key sets for one key epoch, and is excluded")]
    Excluded {
        /// The relay.
        relay: RelayId,
    },
    /// Keys that nobody uses at this time, or a proof about keys too long ago.
    #[error("key epoch {} is not open", epoch.0)]
    Closed {
        /// The key epoch.
        epoch: KeyEpoch,
    },
    /// A descriptor from the future. The relay's clock or ours is wrong.
    #[error("the descriptor was issued {ahead} s ahead of our clock")]
    Ahead {
        /// Seconds.
        ahead: u64,
    },
    /// A newer descriptor is known, or another one of the same time.
    #[error("a descriptor is known that is {newer} s newer")]
    Old {
        /// Seconds.
        newer: u64,
    },
    /// The relay changes its descriptor too often.
    #[error("the descriptor follows its predecessor after {after} s")]
    TooSoon {
        /// Seconds.
        after: u64,
    },
    /// The relay did not sign it. Whoever sent it did not check it.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}
