//! From one signed snapshot to a later one, in bytes that grow with what changed.
//!
//! ```text
//! ┌───────────┬─────────┬───────────┬─────────┬────────────┬─────────┐
//! │ version 1 │ base 32 │ target 32 │ count 1 │ charters … │ terms … │…
//! └───────────┴─────────┴───────────┴─────────┴────────────┴─────────┘
//!                                     those that the base lacks
//!  ┌─────────┬──────────┬─────────┬──────────────────────┬─────────┬───────────┬──────────────┐
//! …│ count 2 │ index 2, │ count 2 │ index 2 ‖ swarm 8, … │ count 2 │ entries … │ signatures … │
//!  └─────────┴──────────┴─────────┴──────────────────────┴─────────┴───────────┴──────────────┘
//!    removed              moved to another swarm           added or otherwise changed
//! ```
//!
//! An index is a relay's place in the base. Nothing here is trusted: applied, a delta gives a
//! [`SignedSnapshot`] like any other.

use std::collections::BTreeMap;

use super::bytes::{at_most, count_u16, mismatch, write_u16, write_u64, written};
use super::charter::SignedCharter;
use super::signatures::Signatures;
use super::signed::{counts_up_to, read_charters, write_charters};
use super::snapshot::{read_entries, write_entries};
use super::swarm::SwarmId;
use super::terms::Heading;
use super::{Entry, SignedSnapshot, Snapshot, SnapshotHash, VerifiedSnapshot};
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::RelayId;
use crate::wire::limits::{DELTA_MAX, RELAYS_MAX, VERSION};
use crate::wire::{Reader, WireError, Writer};

/// Why a delta does not lead to a snapshot. For whoever fetched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeltaError {
    /// It begins elsewhere.
    #[error("the delta begins with another snapshot than ours")]
    OtherBase,
    /// It leads back.
    #[error("the delta leads from snapshot {base} to {target}, which is not later")]
    NotLater {
        /// The base's number.
        base: u64,
        /// The target's number.
        target: u64,
    },
    /// It changes what is not there, or one relay twice.
    #[error("the delta changes a relay that the base does not have, or one twice")]
    Relay,
    /// Charters between the base's and the target's are missing.
    #[error("the delta lacks charters that lead to its signers")]
    Charters,
    /// What comes out is not what the delta promises.
    #[error("the delta does not give the snapshot that it names")]
    OtherResult,
}

/// What leads from one snapshot to a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    base: SnapshotHash,
    target: SnapshotHash,
    charters: Vec<SignedCharter>,
    heading: Heading,
    removed: Vec<u16>,
    moved: Vec<(u16, SwarmId)>,
    put: Vec<Entry>,
    signatures: Signatures,
}

impl Delta {
    /// The delta that leads from `base` to `target`, which may lie several snapshots apart.
    ///
    /// # Errors
    /// [`DeltaError::NotLater`]; [`DeltaError::Charters`] if the two are of different networks.
    pub fn between(base: &VerifiedSnapshot, target: &VerifiedSnapshot) -> Result<Self, DeltaError> {
        later(base, target.number())?;
        let signed = target.signed();
        let known = base.terms().charter as usize;
        let charters = signed.charters.get(known..).ok_or(DeltaError::Charters)?;
        let mut delta = Self {
            base: base.hash(),
            target: target.hash(),
            charters: charters.to_vec(),
            heading: signed.snapshot.heading.clone(),
            removed: Vec::new(),
            moved: Vec::new(),
            put: Vec::new(),
            signatures: signed.signatures.clone(),
        };
        // RELAYS_MAX is below 65,536.
        for (index, old) in (0_u16..).zip(base.entries()) {
            match target.get(&old.relay) {
                None => delta.removed.push(index),
                Some(new) if new == old => {}
                Some(new) if new.registration() == old.registration() => {
                    delta.moved.push((index, new.swarm));
                }
                Some(new) => delta.put.push(*new),
            }
        }
        let added = target.entries().iter();
        delta
            .put
            .extend(added.filter(|new| base.get(&new.relay).is_none()));
        delta.put.sort_unstable_by_key(|entry| entry.relay);
        Ok(delta)
    }

    /// The snapshot that it begins with.
    #[must_use]
    pub const fn base(&self) -> SnapshotHash {
        self.base
    }

    /// The snapshot that it promises.
    #[must_use]
    pub const fn target(&self) -> SnapshotHash {
        self.target
    }

    /// The later snapshot, to the byte as it was signed.
    ///
    /// # Errors
    /// [`DeltaError`].
    pub fn apply(
        &self,
        network: &NetworkId,
        base: &VerifiedSnapshot,
    ) -> Result<SignedSnapshot, DeltaError> {
        if base.hash() != self.base {
            return Err(DeltaError::OtherBase);
        }
        later(base, self.heading.number)?;
        let (known, charter) = (base.terms().charter, self.heading.terms.charter);
        if !counts_up_to(&self.charters, known as usize + 1, charter as usize) {
            return Err(DeltaError::Charters);
        }
        let snapshot = Snapshot {
            heading: self.heading.clone(),
            entries: self.entries(base)?.into_values().collect(),
        };
        if snapshot.entries.len() > RELAYS_MAX || snapshot.hash(network) != self.target {
            return Err(DeltaError::OtherResult);
        }
        let charters = base.signed().charters.iter().chain(&self.charters);
        Ok(SignedSnapshot {
            charters: charters.cloned().collect(),
            snapshot,
            signatures: self.signatures.clone(),
        })
    }

    fn entries(&self, base: &Snapshot) -> Result<BTreeMap<RelayId, Entry>, DeltaError> {
        let at = |index: u16| {
            base.entries()
                .get(usize::from(index))
                .ok_or(DeltaError::Relay)
        };
        let of = |entry: &Entry| (entry.relay, *entry);
        let mut all: BTreeMap<_, _> = base.entries().iter().map(of).collect();
        for index in &self.removed {
            all.remove(&at(*index)?.relay).ok_or(DeltaError::Relay)?;
        }
        for (index, swarm) in &self.moved {
            let entry = all.get_mut(&at(*index)?.relay).ok_or(DeltaError::Relay)?;
            entry.swarm = *swarm;
        }
        all.extend(self.put.iter().map(of));
        Ok(all)
    }

    /// The bytes that [`Delta::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        written(DELTA_MAX, |writer| self.write(writer))
    }

    /// Reads a delta.
    ///
    /// # Errors
    /// [`WireError`] names the field, as [`SignedSnapshot::decode`] does; also `base`, `target`, `removed
    /// count`, `removed relay`, `moved count`, `moved relay`, `moved to` (indices ascend), or `delta`
    /// for its length and bytes left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        at_most(bytes, DELTA_MAX, "delta")?;
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let delta = Self {
            base: SnapshotHash(*reader.array("base")?),
            target: SnapshotHash(*reader.array("target")?),
            charters: read_charters(&mut reader)?,
            heading: Heading::read(&mut reader)?,
            removed: read_removed(&mut reader)?,
            moved: read_moved(&mut reader)?,
            put: read_entries(&mut reader)?,
            signatures: Signatures::read(&mut reader)?,
        };
        reader.finish("delta").map(|()| delta)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u8("version", VERSION)?;
        writer.bytes("base", &self.base.0)?;
        writer.bytes("target", &self.target.0)?;
        write_charters(writer, &self.charters)?;
        self.heading.write(writer)?;
        write_u16(writer, "removed count", self.removed.len())?;
        for index in &self.removed {
            writer.bytes("removed relay", &index.to_be_bytes())?;
        }
        write_u16(writer, "moved count", self.moved.len())?;
        for (index, swarm) in &self.moved {
            writer.bytes("moved relay", &index.to_be_bytes())?;
            write_u64(writer, "moved to", swarm.0)?;
        }
        write_entries(writer, &self.put)?;
        self.signatures.write(writer)
    }
}

fn later(base: &VerifiedSnapshot, target: u64) -> Result<(), DeltaError> {
    let base = base.number();
    if target > base {
        return Ok(());
    }
    Err(DeltaError::NotLater { base, target })
}

fn read_removed(reader: &mut Reader<'_>) -> Result<Vec<u16>, WireError> {
    let count = count_u16(reader, "removed count", RELAYS_MAX)?;
    let mut removed: Vec<u16> = Vec::new();
    for _ in 0..count {
        let index = reader.u16("removed relay")?;
        if removed.last().is_some_and(|last| *last >= index) {
            return Err(mismatch("removed relay"));
        }
        removed.push(index);
    }
    Ok(removed)
}

fn read_moved(reader: &mut Reader<'_>) -> Result<Vec<(u16, SwarmId)>, WireError> {
    let count = count_u16(reader, "moved count", RELAYS_MAX)?;
    let mut moved: Vec<(u16, SwarmId)> = Vec::new();
    for _ in 0..count {
        let index = reader.u16("moved relay")?;
        if moved.last().is_some_and(|(last, _)| *last >= index) {
            return Err(mismatch("moved relay"));
        }
        moved.push((index, SwarmId(reader.u64("moved to")?)));
    }
    Ok(moved)
}
