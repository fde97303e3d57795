//! What a source is found guilty of.

use crate::crypto::identity::RelayId;
use crate::wire::WireError;

/// Why a source is not asked any more. For whoever chooses sources: it is broken, or it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its reply does not follow the specification.
    #[error("the reply cannot be read: {0}")]
    Bytes(#[from] WireError),
    /// It replied without being asked.
    #[error("a reply that nobody asked for")]
    Unasked,
    /// It replied to another question.
    #[error("a reply to another question")]
    OtherReply,
    /// It told another number of buckets.
    #[error("another number of buckets than asked for")]
    Buckets,
    /// It told hashes of relays that were not asked for, or twice.
    #[error("hashes outside of what was asked for")]
    Stray,
    /// It promises more and more.
    #[error("hashes without end")]
    Endless,
    /// It sent a document that was not asked for.
    #[error("a document of {relay}, which was not asked for")]
    NotAsked {
        /// The relay.
        relay: RelayId,
    },
    /// It sent another key set than it had told.
    #[error("another key set of {relay} than it had told")]
    OtherKeySet {
        /// The relay.
        relay: RelayId,
    },
    /// It sent a document that its relay did not sign.
    #[error("a forged document of {relay}")]
    Forged {
        /// The relay.
        relay: RelayId,
    },
    /// It does not have what it had told.
    #[error("{omitted} documents that it had told and does not have")]
    Omits {
        /// So far.
        omitted: usize,
    },
}
