//! The registry at one time: terms, and all relays that count.
//!
//! ```text
//! ┌─────────┬─────────┬──────────────────────────────────────┐
//! │ terms … │ count 2 │ count entries, by ascending relay id │
//! └─────────┴─────────┴──────────────────────────────────────┘
//! ```

use std::sync::Arc;

use super::bytes::{at_most, count_u16, mismatch, write_u16, written};
use super::terms::Heading;
use super::{Charter, Entry, Epoch, Signature, SignatureError, Terms};
use crate::crypto::hash::{NetworkId, hash, label};
use crate::crypto::identity::{RelayId, SecretKey};
use crate::wire::limits::{RELAYS_MAX, SNAPSHOT_MAX};
use crate::wire::{Reader, WireError, Writer};

/// A snapshot's hash: what is signed, and what its successor names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SnapshotHash(pub [u8; 32]);

/// A well-formed snapshot, which nobody need have signed: a draft, until enough authorities have.
/// Clones share the entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub(super) heading: Heading,
    pub(super) entries: Arc<[Entry]>,
}

impl Snapshot {
    /// Its number; each snapshot's is one more than its predecessor's.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.heading.number
    }

    /// The hash of the snapshot before; zeros in the first.
    #[must_use]
    pub const fn predecessor(&self) -> SnapshotHash {
        self.heading.predecessor
    }

    /// What it says of the network as a whole.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.heading.terms
    }

    /// All relays, by ascending id.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What it says of `relay`.
    #[must_use]
    pub fn get(&self, relay: &RelayId) -> Option<&Entry> {
        let at = self
            .entries
            .binary_search_by_key(relay, |entry| entry.relay);
        self.entries.get(at.ok()?)
    }

    /// Whether the relay of `entry`, which is one of this snapshot's, is old enough to store
    /// introsets: registered before a beacon was public that its key could have been chosen for.
    #[must_use]
    pub fn stores_introsets(&self, entry: &Entry) -> bool {
        let height = self.terms().parameters.storers_height();
        height.is_none_or(|height| entry.height <= height)
    }

    /// The beacon of the last epoch before `epoch`, from which places of that epoch are computed: known
    /// for this snapshot's epoch and the next, and for later ones as long as there is no newer beacon.
    /// None for earlier epochs.
    #[must_use]
    pub fn beacon_for(&self, epoch: Epoch) -> Option<[u8; 32]> {
        self.terms().beacon_for(epoch)
    }

    /// Its hash in `network`. Costs a pass over all bytes.
    #[must_use]
    pub fn hash(&self, network: &NetworkId) -> SnapshotHash {
        SnapshotHash(hash(label::REGISTRY_SNAPSHOT, network, &[&self.encode()]))
    }

    /// Signs it with a key of `charter`. Blind: what is signed should first pass
    /// [`Ledger::examine`](super::Ledger::examine).
    ///
    /// # Errors
    /// [`SignatureError::NoAuthority`] if the key is none of the charter's.
    pub fn sign(
        &self,
        network: &NetworkId,
        charter: &Charter,
        key: &SecretKey,
    ) -> Result<Signature, SignatureError> {
        let SnapshotHash(subject) = self.hash(network);
        Signature::make(
            label::REGISTRY_SNAPSHOT_SIGNATURE,
            network,
            subject,
            charter,
            key,
        )
    }

    /// The bytes that [`Snapshot::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        written(SNAPSHOT_MAX, |writer| self.write(writer))
    }

    /// Reads a snapshot. Its relays' ids are not checked to be keys.
    ///
    /// # Errors
    /// [`WireError`] names the field: `version`, `number`, `predecessor` (just the first has none),
    /// `epoch`, `valid from`, `valid until`, `beacon`, `beacon before`, `charter`, `minimum version`, `parameter
    /// count`, `parameter code`, `parameter value`, `swarm parameters`, `relay count`, `relay id` (also
    /// if ids do not ascend), `flags`, `height`, `block`, `swarm`, `family`, or `snapshot` for its
    /// length and bytes left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        at_most(bytes, SNAPSHOT_MAX, "snapshot")?;
        let mut reader = Reader::new(bytes);
        let snapshot = Self::read(&mut reader)?;
        reader.finish("snapshot").map(|()| snapshot)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        self.heading.write(writer)?;
        write_entries(writer, &self.entries)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            heading: Heading::read(reader)?,
            entries: read_entries(reader)?.into(),
        })
    }
}

pub(super) fn write_entries(writer: &mut Writer<'_>, entries: &[Entry]) -> Result<(), WireError> {
    write_u16(writer, "relay count", entries.len())?;
    entries.iter().try_for_each(|entry| entry.write(writer))
}

pub(super) fn read_entries(reader: &mut Reader<'_>) -> Result<Vec<Entry>, WireError> {
    let count = count_u16(reader, "relay count", RELAYS_MAX)?;
    // Grows with the bytes that are there, not with the count that is claimed.
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..count {
        let entry = Entry::read(reader)?;
        if entries.last().is_some_and(|last| last.relay >= entry.relay) {
            return Err(mismatch("relay id"));
        }
        entries.push(entry);
    }
    Ok(entries)
}
