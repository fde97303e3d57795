//! A relay's onion keys of one key epoch, signed by the relay.
//!
//! ```text
//! ┌─────────┬────────┬───────┬─────────────┬───────────┬─────────────┬──────────────┐
//! │ version │ kind 1 │ id 32 │ key epoch 4 │ X25519 32 │ ML-KEM 1184 │ signature 64 │
//! └─────────┴────────┴───────┴─────────────┴───────────┴─────────────┴──────────────┘
//!  ◀──────────────────────────── signed ────────────────────────────▶
//! ```
//! A relay signs one for a key epoch. Two that differ are a proof against it
//! ([`super::Equivocation`]). Specification: `docs/spec/10-directory.md` §3.

use core::fmt;

use super::KeyEpoch;
use super::contact::read_onion;
use super::document::{Kind, read_head};
use crate::crypto::hash::{NetworkId, label};
use crate::crypto::identity::{BadSignature, PublicKey, RelayId, SecretKey};
use crate::crypto::onion_key::OnionPublic;
use crate::wire::limits::{KEY_SET_LEN, VERSION};
use crate::wire::{Reader, WireError};

/// Onion keys of a relay and key epoch, *not yet verified*. The KEM key is one.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySet {
    relay: RelayId,
    epoch: KeyEpoch,
    onion: OnionPublic,
    signature: [u8; 64],
}

/// Onion keys that their relay signed. Only [`KeySet::verify`] and [`KeySet::sign`] make them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedKeySet(KeySet);

impl KeySet {
    /// The keys `onion` of the relay that has `key`, for the key epoch `epoch`. Signing two that
    /// differ for one epoch excludes the relay from the network.
    #[must_use]
    pub fn sign(
        network: &NetworkId,
        key: &SecretKey,
        epoch: KeyEpoch,
        onion: OnionPublic,
    ) -> VerifiedKeySet {
        let mut set = Self {
            relay: key.relay_id(),
            epoch,
            onion,
            signature: [0; 64],
        };
        set.signature = key.sign(label::DIRECTORY_KEY_SET, network, &[&set.text()]);
        VerifiedKeySet(set)
    }

    /// Verifies the signature.
    ///
    /// # Errors
    /// [`BadSignature`], also if the relay's id is no key.
    pub fn verify(self, network: &NetworkId) -> Result<VerifiedKeySet, BadSignature> {
        let key = self.relay.key().map_err(|_| BadSignature)?;
        self.verify_by(network, &key)
    }

    /// [`Self::verify`] with the relay's key, which was checked before.
    pub(super) fn verify_by(
        self,
        network: &NetworkId,
        key: &PublicKey,
    ) -> Result<VerifiedKeySet, BadSignature> {
        if *key.as_bytes() != self.relay.0 {
            return Err(BadSignature);
        }
        let (label, text) = (label::DIRECTORY_KEY_SET, self.text());
        key.verify(label, network, &[&text], &self.signature)?;
        Ok(VerifiedKeySet(self))
    }

    /// Whose they claim to be.
    #[must_use]
    pub const fn relay(&self) -> RelayId {
        self.relay
    }

    /// When they are in use.
    #[must_use]
    pub const fn epoch(&self) -> KeyEpoch {
        self.epoch
    }

    /// The keys.
    #[must_use]
    pub const fn onion(&self) -> &OnionPublic {
        &self.onion
    }

    /// The bytes that [`KeySet::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.text();
        bytes.extend_from_slice(&self.signature);
        bytes
    }

    /// Reads a key set; the KEM key is checked.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::exact(bytes, KEY_SET_LEN, "key set")?;
        let relay = read_head(&mut reader, Kind::KeySet)?;
        let epoch = KeyEpoch(reader.u32("key epoch")?);
        let set = Self::read_keys(&mut reader, relay, epoch)?;
        reader.finish("key set")?;
        Ok(set)
    }

    /// What differs between two key sets of one relay and epoch.
    pub(super) fn write_keys(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.onion.x25519);
        bytes.extend_from_slice(self.onion.kem.as_bytes());
        bytes.extend_from_slice(&self.signature);
    }

    pub(super) fn read_keys(
        reader: &mut Reader<'_>,
        relay: RelayId,
        epoch: KeyEpoch,
    ) -> Result<Self, WireError> {
        let onion = read_onion(reader)?;
        let signature = *reader.array("signature")?;
        Ok(Self {
            relay,
            epoch,
            onion,
            signature,
        })
    }

    /// Whether the keys are the same; signatures of the same keys may differ.
    pub(super) fn has_keys_of(&self, other: &Self) -> bool {
        self.onion == other.onion
    }

    /// The bytes that are signed, and by which it is named.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(KEY_SET_LEN);
        bytes.extend_from_slice(&[VERSION, Kind::KeySet as u8]);
        bytes.extend_from_slice(&self.relay.0);
        bytes.extend_from_slice(&self.epoch.0.to_be_bytes());
        bytes.extend_from_slice(&self.onion.x25519);
        bytes.extend_from_slice(self.onion.kem.as_bytes());
        bytes
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({:?}, {:?})", self.relay, self.epoch)
    }
}

impl VerifiedKeySet {
    /// The key set.
    #[must_use]
    pub const fn get(&self) -> &KeySet {
        &self.0
    }

    /// One that this node verified before it wrote it to its own disk.
    pub(super) const fn remembered(set: KeySet) -> Self {
        Self(set)
    }
}
