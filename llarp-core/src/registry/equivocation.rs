//! The proof that a relay signed two key sets for one key epoch.
//!
//! ```text
//! ┌─────────┬────────┬───────┬─────────────┬─────────────────────────┬─────────────────────────┐
//! │ version │ kind 1 │ id 32 │ key epoch 4 │ keys and signature 1280 │ keys and signature 1280 │
//! └─────────┴────────┴───────┴─────────────┴─────────────────────────┴─────────────────────────┘
//! ```
//! The smaller of both comes first, so that a pair has one encoding. Keys and signature as in a key
//! set: X25519 32, ML-KEM 1184, signature 64. Specification: `docs/spec/10-directory.md` §4.

use super::document::{Kind, read_head};
use super::{KeyEpoch, KeySet, VerifiedKeySet};
use crate::crypto::hash::NetworkId;
use crate::crypto::identity::{BadSignature, PublicKey, RelayId};
use crate::wire::limits::{EQUIVOCATION_LEN, VERSION};
use crate::wire::{Fault, Reader, WireError};

/// Two key sets of one relay and key epoch with different keys, *not yet verified*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equivocation([KeySet; 2]);

/// A proof against a relay. Only [`Equivocation::verify`] and [`Equivocation::of`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedEquivocation(Equivocation);

impl Equivocation {
    /// The proof that these two are, if they are one: of one relay and key epoch, with different
    /// keys.
    #[must_use]
    pub fn of(one: &VerifiedKeySet, other: &VerifiedKeySet) -> Option<VerifiedEquivocation> {
        let pair = [one.get().clone(), other.get().clone()];
        Self::pair(pair).map(VerifiedEquivocation)
    }

    /// Verifies both signatures.
    ///
    /// # Errors
    /// [`BadSignature`], also if the relay's id is no key.
    pub fn verify(self, network: &NetworkId) -> Result<VerifiedEquivocation, BadSignature> {
        let key = self.relay().key().map_err(|_| BadSignature)?;
        self.verify_by(network, &key)
    }

    /// [`Self::verify`] with the relay's key, which was checked before.
    pub(super) fn verify_by(
        self,
        network: &NetworkId,
        key: &PublicKey,
    ) -> Result<VerifiedEquivocation, BadSignature> {
        let Self([one, other]) = self;
        let one = one.verify_by(network, key)?;
        let other = other.verify_by(network, key)?;
        Self::of(&one, &other).ok_or(BadSignature)
    }

    /// Against whom.
    #[must_use]
    pub const fn relay(&self) -> RelayId {
        let Self([one, _]) = self;
        one.relay()
    }

    /// For which key epoch both were signed.
    #[must_use]
    pub const fn epoch(&self) -> KeyEpoch {
        let Self([one, _]) = self;
        one.epoch()
    }

    /// Both key sets.
    #[must_use]
    pub const fn sets(&self) -> &[KeySet; 2] {
        &self.0
    }

    /// The bytes that [`Equivocation::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(EQUIVOCATION_LEN);
        bytes.extend_from_slice(&[VERSION, Kind::Equivocation as u8]);
        bytes.extend_from_slice(&self.relay().0);
        bytes.extend_from_slice(&self.epoch().0.to_be_bytes());
        for set in &self.0 {
            set.write_keys(&mut bytes);
        }
        bytes
    }

    /// Reads a proof.
    ///
    /// # Errors
    /// [`WireError`] names the field; `key sets` if both have the same keys or do not ascend.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::exact(bytes, EQUIVOCATION_LEN, "equivocation")?;
        let relay = read_head(&mut reader, Kind::Equivocation)?;
        let epoch = KeyEpoch(reader.u32("key epoch")?);
        let one = KeySet::read_keys(&mut reader, relay, epoch)?;
        let other = KeySet::read_keys(&mut reader, relay, epoch)?;
        reader.finish("equivocation")?;
        let given = [one, other];
        match Self::pair(given.clone()) {
            Some(pair) if pair.0 == given => Ok(pair),
            _ => Err(WireError::new("key sets", Fault::Mismatch)),
        }
    }

    /// The two in their order, if they contradict each other.
    fn pair([one, other]: [KeySet; 2]) -> Option<Self> {
        let same = one.relay() == other.relay() && one.epoch() == other.epoch();
        if !same || one.has_keys_of(&other) {
            return None;
        }
        let ascend = one.encode() < other.encode();
        Some(Self(if ascend { [one, other] } else { [other, one] }))
    }
}

impl VerifiedEquivocation {
    /// The proof.
    #[must_use]
    pub const fn get(&self) -> &Equivocation {
        &self.0
    }

    /// One that this node verified before it wrote it to its own disk.
    pub(super) const fn remembered(proof: Equivocation) -> Self {
        Self(proof)
    }
}
