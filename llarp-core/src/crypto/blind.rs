//! Key blinding as in Tor's rend-spec-v3 §A.2: a public key per epoch or mailbox that only those
//! who know the address can compute, and only the identity can sign with.
//!
//! A blinded secret reveals the identity secret to whoever knows the address: it never leaves the
//! identity's device. What signs from day to day is a key that the blinded key certifies.
//! Specification: `docs/spec/01-crypto.md` §5.

use curve25519_dalek::scalar::{Scalar, clamp_integer};
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Sha512, VerifyingKey};
use zeroize::Zeroize;

use super::epoch::Epoch;
use super::hash::{Label, NetworkId, derive, framed, hash, label};
use super::identity::{Address, PublicKey, SecretKey};
use super::secret::Secret;

/// What a key is blinded for. Not `Debug`: a mailbox's label can be a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// The introset key of an epoch.
    Introset(Epoch),
    /// The key of a mailbox; owners can give contacts a mailbox of a secret label.
    Mailbox(&'a [u8]),
}

impl Purpose<'_> {
    /// The blinding factor's 32 bytes, before clamping.
    #[must_use]
    pub fn factor(self, network: &NetworkId, address: &Address) -> [u8; 32] {
        let key = address.key().as_bytes();
        match self {
            Self::Introset(Epoch(day)) => {
                hash(label::BLIND_INTROSET, network, &[key, &day.to_be_bytes()])
            }
            Self::Mailbox(name) => hash(label::BLIND_MAILBOX, network, &[key, name]),
        }
    }
}

/// `address` blinded for `purpose`. The result is of prime order, as the address is.
#[must_use]
pub fn blind_address(address: &Address, network: &NetworkId, purpose: Purpose<'_>) -> PublicKey {
    blind_public(address.key(), purpose.factor(network, address))
}

/// `key` times the clamped `factor`: the primitive of rend-spec-v3 §A.2, for any factor.
#[must_use]
pub fn blind_public(key: &PublicKey, factor: [u8; 32]) -> PublicKey {
    PublicKey::of_point(&(key.point() * clamped(factor)))
}

/// A blinded signing key. Zeroized on drop, never shown.
pub struct BlindedSecret {
    expanded: ExpandedSecretKey,
    public: PublicKey,
}

impl BlindedSecret {
    /// The identity's key blinded for `purpose`.
    #[must_use]
    pub fn new(identity: &SecretKey, network: &NetworkId, purpose: Purpose<'_>) -> Self {
        let factor = purpose.factor(network, &identity.address());
        let mut expanded = identity.expanded();
        expanded.scalar = blind_scalar(&expanded.scalar, factor);
        let public = blind_public(&identity.public(), factor);
        let prefix = Secret::take(&mut expanded.hash_prefix);
        let nonce = derive(&prefix, label::BLIND_NONCE, network, &[public.as_bytes()]);
        expanded.hash_prefix = *nonce.expose();
        Self { expanded, public }
    }

    /// The blinded public key.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// Signs the framed `parts`; [`PublicKey::verify`] of the blinded key verifies.
    #[must_use]
    pub fn sign(&self, label: Label, network: &NetworkId, parts: &[&[u8]]) -> [u8; 64] {
        let message = framed(label, network, parts);
        raw_sign::<Sha512>(
            &self.expanded,
            &message,
            &VerifyingKey::from(&self.expanded),
        )
        .to_bytes()
    }
}

impl core::fmt::Debug for BlindedSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BlindedSecret(redacted)")
    }
}

/// The secret half of [`blind_public`].
#[must_use]
pub fn blind_scalar(secret: &Scalar, factor: [u8; 32]) -> Scalar {
    let mut factor = clamped(factor);
    let blinded = secret * factor;
    factor.zeroize();
    blinded
}

fn clamped(factor: [u8; 32]) -> Scalar {
    Scalar::from_bytes_mod_order(clamp_integer(factor))
}
