//! The relays that a snapshot of the registry names.

use std::sync::Arc;

use super::super::Family;
use crate::crypto::identity::RelayId;
use crate::wire::limits::{BUCKET_RELAYS, RELAYS_MAX, TREE_LEVELS};

/// Which snapshot it is, as a head tells it to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SnapshotHead {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// The number of the newest charter.
    pub charter: u64,
}

/// One relay that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub relay: RelayId,
    /// Whose it is, by the registry.
    pub family: Option<Family>,
}

/// Why relays are no membership. For whoever gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    /// Ids that do not ascend.
    #[error("{relay} does not stand behind the relay before it")]
    Order {
        /// The relay.
        relay: RelayId,
    },
    /// More relays than a network has.
    #[error("a network has at most {RELAYS_MAX} relays, {got} given")]
    TooMany {
        /// Relays given.
        got: usize,
    },
}

/// The relays that count, by ascending id. Never changes; clones share it.
#[derive(Debug, Clone)]
pub struct Members {
    head: SnapshotHead,
    relays: Arc<[Member]>,
}

impl Members {
    /// The relays of a snapshot, by ascending id, each once.
    ///
    /// # Errors
    /// [`MembersError`].
    pub fn new(
        head: SnapshotHead,
        relays: impl IntoIterator<Item = Member>,
    ) -> Result<Self, MembersError> {
        // One more than allowed is enough to know.
        let relays: Vec<_> = relays.into_iter().take(RELAYS_MAX + 1).collect();
        let got = relays.len();
        if got > RELAYS_MAX {
            return Err(MembersError::TooMany { got });
        }
        let wrong = relays.windows(2).find_map(|pair| match pair {
            [one, other] if one.relay >= other.relay => Some(other.relay),
            _ => None,
        });
        match wrong {
            Some(relay) => Err(MembersError::Order { relay }),
            None => Ok(Self {
                head,
                relays: relays.into(),
            }),
        }
    }

    /// No relay.
    #[must_use]
    pub fn none() -> Self {
        Self {
            head: SnapshotHead::default(),
            relays: Arc::default(),
        }
    }

    /// Which snapshot it is.
    #[must_use]
    pub const fn head(&self) -> &SnapshotHead {
        &self.head
    }

    /// The relay of this name.
    #[must_use]
    pub fn get(&self, relay: &RelayId) -> Option<&Member> {
        let at = self
            .relays
            .binary_search_by_key(relay, |member| member.relay);
        self.relays.get(at.ok()?)
    }

    /// All of them, by ascending id.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Member> + Clone {
        self.relays.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.relays.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.relays.is_empty()
    }

    /// The level of the tree of digests at which a bucket has about [`BUCKET_RELAYS`] relays.
    #[must_use]
    pub fn level(&self) -> u8 {
        let buckets = self.len().div_ceil(BUCKET_RELAYS).next_power_of_two();
        let level = u8::try_from(buckets.trailing_zeros()).unwrap_or(TREE_LEVELS);
        level.min(TREE_LEVELS)
    }
}
