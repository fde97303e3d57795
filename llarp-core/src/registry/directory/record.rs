//! What a directory holds of one relay.

use super::super::document::Name;
use super::super::{KeyEpoch, VerifiedDescriptor, VerifiedEquivocation, VerifiedKeySet};
use crate::crypto::identity::PublicKey;

/// How sure a client is that a key set is the one that everybody is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// The relay signed it; nobody else was asked. Enough for relays, and for a test.
    Held = 0,
    /// Most of three or more sources give it, all of them reached directly. Enough to reach other
    /// sources.
    Provisional = 1,
    /// Most of three or more sources give it, one of them reached through a path.
    Accepted = 2,
}

impl Trust {
    pub(super) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Held),
            1 => Some(Self::Provisional),
            2 => Some(Self::Accepted),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct HeldKeys {
    pub(super) set: VerifiedKeySet,
    pub(super) name: Name,
    pub(super) trust: Trust,
}

/// All of one relay: at most one descriptor, [`crate::wire::limits::KEY_SETS_MAX`] key sets of
/// different epochs, and one proof. With a proof there is nothing else.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    /// The relay's id as a key, once it was checked.
    pub(super) key: Option<PublicKey>,
    pub(super) descriptor: Option<(VerifiedDescriptor, Name)>,
    pub(super) keys: Vec<HeldKeys>,
    pub(super) proof: Option<VerifiedEquivocation>,
}

impl Record {
    pub(super) fn of_epoch(&self, epoch: KeyEpoch) -> Option<&HeldKeys> {
        self.keys
            .iter()
            .find(|held| held.set.get().epoch() == epoch)
    }

    pub(super) fn of_epoch_mut(&mut self, epoch: KeyEpoch) -> Option<&mut HeldKeys> {
        let mut keys = self.keys.iter_mut();
        keys.find(|held| held.set.get().epoch() == epoch)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.descriptor.is_none() && self.keys.is_empty() && self.proof.is_none()
    }
}
