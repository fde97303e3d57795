//! Snapshots with signatures: as they are published, and as they were verified.
//!
//! ```text
//! ┌───────────┬─────────┬──────────────────────┬────────────┬──────────────┐
//! │ version 1 │ count 1 │ signed charters 1, … │ snapshot … │ signatures … │
//! └───────────┴─────────┴──────────────────────┴────────────┴──────────────┘
//!               the number of the snapshot's charter
//! ```

use core::ops::Deref;
use std::sync::Arc;

use super::bytes::{at_most, count_u8, mismatch, write_u8, written};
use super::charter::{CharterChain, CharterError, SignedCharter};
use super::signatures::Signatures;
use super::{Signature, SignatureError, Snapshot, SnapshotHash};
use crate::crypto::hash::{NetworkId, label};
use crate::wire::limits::{CHARTERS_MAX, SIGNED_SNAPSHOT_MAX, VERSION};
use crate::wire::{Reader, WireError, Writer};

/// A snapshot with signatures that nobody has verified, and the charters that lead to its signers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedSnapshot {
    pub(super) charters: Vec<SignedCharter>,
    pub(super) snapshot: Snapshot,
    pub(super) signatures: Signatures,
}

/// Why a snapshot is not what a network's authorities say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    /// The charters that come with it do not follow from the network's root.
    #[error("{0}")]
    Charter(#[from] CharterError),
    /// Signatures are missing or wrong.
    #[error("{0}")]
    Signatures(#[from] SignatureError),
}

impl SignedSnapshot {
    /// Puts `snapshot` together with signatures of its charter's authorities, which `chain` has.
    ///
    /// # Errors
    /// [`Forged`], if the signatures do not suffice or the chain lacks the charter.
    pub fn collect(
        chain: &CharterChain,
        snapshot: Snapshot,
        signatures: impl IntoIterator<Item = Signature>,
    ) -> Result<Self, Forged> {
        let number = snapshot.terms().charter;
        let newest = chain.newest().number();
        let charter = chain.get(number).ok_or(CharterError::NotNext {
            newest,
            got: number,
        })?;
        let network = chain.network();
        let SnapshotHash(subject) = snapshot.hash(network);
        let label = label::REGISTRY_SNAPSHOT_SIGNATURE;
        let signatures = Signatures::collect(label, network, &subject, charter, signatures)?;
        let charters = chain.signed().iter().take(number as usize);
        Ok(Self {
            charters: charters.cloned().collect(),
            snapshot,
            signatures,
        })
    }

    /// The snapshot, as far as it claims.
    #[must_use]
    pub const fn claimed(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The places in its charter of those who signed, as far as it claims.
    pub fn signers(&self) -> impl ExactSizeIterator<Item = u8> + '_ {
        self.signatures.indices()
    }

    /// The charters that come with it, as far as they claim: those behind the root, up to its own.
    #[must_use]
    pub fn charters(&self) -> &[SignedCharter] {
        &self.charters
    }

    /// Verifies charters and signatures; `chain` may gain charters, also where this fails.
    pub(super) fn verify(self, chain: &mut CharterChain) -> Result<VerifiedSnapshot, Forged> {
        for charter in &self.charters {
            chain.extend(charter)?;
        }
        let charter = chain.in_force(self.snapshot.terms().charter)?;
        let network = chain.network();
        let hash = self.snapshot.hash(network);
        let label = label::REGISTRY_SNAPSHOT_SIGNATURE;
        self.signatures.verify(label, network, &hash.0, charter)?;
        let signed = self;
        Ok(VerifiedSnapshot(Arc::new(Verified { signed, hash })))
    }

    /// Its hash in `network`.
    #[must_use]
    pub fn hash(&self, network: &NetworkId) -> SnapshotHash {
        self.snapshot.hash(network)
    }

    /// The bytes that [`SignedSnapshot::decode`] reads: what is published.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        written(SIGNED_SNAPSHOT_MAX, |writer| self.write(writer))
    }

    /// Reads a signed snapshot.
    ///
    /// # Errors
    /// [`WireError`] names the field, as [`Snapshot::decode`] and [`SignedCharter::decode`] do; also
    /// `charter count`, `charter number` (they count up from 1 to the snapshot's), or `signed
    /// snapshot` for its length and bytes left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        at_most(bytes, SIGNED_SNAPSHOT_MAX, "signed snapshot")?;
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let charters = read_charters(&mut reader)?;
        if !counts_up_to(&charters, 1, charters.len()) {
            return Err(mismatch("charter number"));
        }
        let snapshot = Snapshot::read(&mut reader)?;
        if charters.len() != snapshot.terms().charter as usize {
            return Err(mismatch("charter count"));
        }
        let signatures = Signatures::read(&mut reader)?;
        reader.finish("signed snapshot")?;
        Ok(Self {
            charters,
            snapshot,
            signatures,
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u8("version", VERSION)?;
        write_charters(writer, &self.charters)?;
        self.snapshot.write(writer)?;
        self.signatures.write(writer)
    }
}

/// Whether the numbers of `charters` are those from `first` to `last`, each once.
pub(super) fn counts_up_to(charters: &[SignedCharter], first: usize, last: usize) -> bool {
    let numbers = charters
        .iter()
        .map(|signed| signed.charter().number() as usize);
    numbers.eq(first..=last)
}

pub(super) fn write_charters(
    writer: &mut Writer<'_>,
    charters: &[SignedCharter],
) -> Result<(), WireError> {
    write_u8(writer, "charter count", charters.len())?;
    charters
        .iter()
        .try_for_each(|charter| charter.write(writer))
}

pub(super) fn read_charters(reader: &mut Reader<'_>) -> Result<Vec<SignedCharter>, WireError> {
    let count = count_u8(reader, "charter count", CHARTERS_MAX - 1)?;
    (0..count).map(|_| SignedCharter::read(reader)).collect()
}

/// A snapshot that enough authorities of its network have signed. Only a [`super::Ledger`] makes
/// one. Clones share everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedSnapshot(Arc<Verified>);

#[derive(Debug, PartialEq, Eq)]
struct Verified {
    signed: SignedSnapshot,
    hash: SnapshotHash,
}

impl VerifiedSnapshot {
    /// Its hash.
    #[must_use]
    pub fn hash(&self) -> SnapshotHash {
        self.0.hash
    }

    /// With signatures and charters, as it is published.
    #[must_use]
    pub fn signed(&self) -> &SignedSnapshot {
        &self.0.signed
    }
}

impl Deref for VerifiedSnapshot {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0.signed.snapshot
    }
}
