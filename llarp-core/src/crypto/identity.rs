//! Identities, relays and their names.
//!
//! An identity is an Ed25519 key pair. Its public half is at once the routing [`Address`] and, by
//! the birational map, the long-term X25519 encryption key. Relays have such a key too, named by
//! [`RelayId`]. Specification: `docs/spec/01-crypto.md` §3, §4 and §7.

mod key_file;
mod name;

use core::fmt;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Sha512, Signature, SigningKey, VerifyingKey};
use rand_core::CryptoRng;

use super::hash::{Label, NetworkId, derive, framed};
use super::secret::{Secret, secret_type};
pub use key_file::{KeyKind, decode_key_file, encode_key_file};
pub use name::NameError;

secret_type! {
    /// The 32-byte seed of an Ed25519 key pair (RFC 8032 §5.1.5).
    Seed(32);
    /// An X25519 scalar, clamped where it is used.
    X25519Secret(32);
}

impl X25519Secret {
    /// The public key that belongs to it.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        x25519_dalek::x25519(*self.expose(), x25519_dalek::X25519_BASEPOINT_BYTES)
    }

    /// What it shares with the owner of the public key `other`; nothing if that is a point of small
    /// order, with which everybody shares the same.
    #[must_use]
    pub fn agree(&self, other: &[u8; 32]) -> Option<Secret<32>> {
        let shared = Secret::take(&mut x25519_dalek::x25519(*self.expose(), *other));
        let nothing = Secret::take(&mut [0; 32]);
        (shared != nothing).then_some(shared)
    }
}

/// `OneAsymmetricKey` of version 1 with an Ed25519 seed of 32 bytes, up to the seed.
const PKCS8_HEAD: &[u8; 16] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// Why 32 bytes are not a public key that we accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a point of the curve.
    #[error("not a point of the curve Ed25519")]
    NotOnCurve,
    /// A second encoding of a point whose canonical one is another.
    #[error("not the canonical encoding of its point")]
    NotCanonical,
    /// A point of order 1, 2, 4 or 8: everybody can know its secret.
    #[error("a point of small order, which is nobody's key")]
    SmallOrder,
    /// A key with a torsion component: eight such keys share one set of signatures.
    #[error("a point outside the prime-order group")]
    Torsion,
}

/// An Ed25519 public key that was checked: canonical, on the curve, of prime order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Checks `bytes`. Costs tens of microseconds, most of them for the torsion.
    ///
    /// # Errors
    /// [`KeyError`] names the fault.
    pub fn check(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let compressed = CompressedEdwardsY(*bytes);
        let point = compressed.decompress().ok_or(KeyError::NotOnCurve)?;
        if point.compress() != compressed {
            return Err(KeyError::NotCanonical);
        }
        if point.is_small_order() {
            return Err(KeyError::SmallOrder);
        }
        if !point.is_torsion_free() {
            return Err(KeyError::Torsion);
        }
        Ok(Self(*bytes))
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The X25519 key that belongs to this Ed25519 key. Two addresses, ±P, share it: whoever
    /// authenticates by X25519 also sends the address, and [`Self::has_x25519`] compares.
    #[must_use]
    pub fn to_x25519(&self) -> [u8; 32] {
        self.point().to_montgomery().to_bytes()
    }

    /// Whether `static_key` is this key's X25519 form.
    #[must_use]
    pub fn has_x25519(&self, static_key: &[u8; 32]) -> bool {
        self.to_x25519() == *static_key
    }

    /// Verifies a signature by this key over the framed `parts`, strictly: canonical scalar, no
    /// small-order points.
    ///
    /// # Errors
    /// [`BadSignature`], whatever is wrong with it.
    pub fn verify(
        &self,
        label: Label,
        network: &NetworkId,
        parts: &[&[u8]],
        signature: &[u8; 64],
    ) -> Result<(), BadSignature> {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(&framed(label, network, parts), &signature))
            .map_err(|_| BadSignature)
    }

    /// The key as a point; it was on the curve when it was checked.
    pub(super) fn point(&self) -> EdwardsPoint {
        CompressedEdwardsY(self.0).decompress().unwrap_or_default()
    }

    /// Names bytes that come from a point of the prime-order group.
    pub(super) fn of_point(point: &EdwardsPoint) -> Self {
        Self(point.compress().to_bytes())
    }
}

/// A signature that does not verify. Says no more, so that it tells a forger nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// An identity's public half: where it is met, and the key to encrypt to it.
///
/// Text form: 52 characters of z-base-32 and `.loki`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(PublicKey);

impl Address {
    /// Names a checked key.
    #[must_use]
    pub const fn new(key: PublicKey) -> Self {
        Self(key)
    }

    /// The key behind the name.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.0
    }
}

/// A relay's name: the bytes of its Ed25519 key, *not yet checked* to be one.
///
/// In the data plane an id is only looked up among the registered relays, whose keys were checked
/// when the registry was read. Text form: 52 characters of z-base-32 and `.snode`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayId(pub [u8; 32]);

impl RelayId {
    /// Checks that the id is a key that can sign.
    ///
    /// # Errors
    /// [`KeyError`] names the fault.
    pub fn key(&self) -> Result<PublicKey, KeyError> {
        PublicKey::check(&self.0)
    }
}

impl From<PublicKey> for RelayId {
    fn from(key: PublicKey) -> Self {
        Self(key.0)
    }
}

/// An identity's or a relay's secret half. Zeroized on drop, never shown.
pub struct SecretKey {
    seed: Seed,
    public: PublicKey,
}

impl SecretKey {
    /// Draws a new key pair.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::from_seed(Seed::new(Secret::random(rng)))
    }

    /// The key pair of `seed`.
    #[must_use]
    pub fn from_seed(seed: Seed) -> Self {
        let expanded = ExpandedSecretKey::from(seed.expose());
        let public = PublicKey::of_point(&EdwardsPoint::mul_base(&expanded.scalar));
        Self { seed, public }
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// The public half as an identity's address.
    #[must_use]
    pub const fn address(&self) -> Address {
        Address(self.public)
    }

    /// The public half as a relay's name.
    #[must_use]
    pub fn relay_id(&self) -> RelayId {
        self.public.into()
    }

    /// Signs the framed `parts`.
    #[must_use]
    pub fn sign(&self, label: Label, network: &NetworkId, parts: &[&[u8]]) -> [u8; 64] {
        let message = framed(label, network, parts);
        let expanded = self.expanded();
        raw_sign::<Sha512>(&expanded, &message, &VerifyingKey::from(&expanded)).to_bytes()
    }

    /// The X25519 scalar of the same key pair: the first half of SHA-512 of the seed, unreduced.
    #[must_use]
    pub fn to_x25519(&self) -> X25519Secret {
        let signing = SigningKey::from_bytes(self.seed.expose());
        X25519Secret::new(Secret::take(&mut signing.to_scalar_bytes()))
    }

    /// The key pair as PKCS#8 in DER (RFC 8410 §7, version 1), the form that TLS stacks take.
    #[must_use]
    pub fn to_pkcs8(&self) -> Secret<48> {
        let mut der = [0; 48];
        let (head, seed) = der.split_at_mut(PKCS8_HEAD.len());
        head.copy_from_slice(PKCS8_HEAD);
        seed.copy_from_slice(self.seed.expose());
        Secret::take(&mut der)
    }

    /// A secret of this key pair's owner for the use `label`: the same after every restart.
    #[must_use]
    pub fn derive(&self, label: Label, network: &NetworkId) -> Secret<32> {
        derive(&self.seed.0, label, network, &[])
    }

    pub(super) fn expanded(&self) -> ExpandedSecretKey {
        ExpandedSecretKey::from(self.seed.expose())
    }

    pub(super) const fn seed(&self) -> &Seed {
        &self.seed
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}
