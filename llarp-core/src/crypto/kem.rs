//! ML-KEM-768 (FIPS 203), the post-quantum half of every hop handshake.
//!
//! A thin, typed face over `libcrux-ml-kem`, which takes its randomness as an argument.
//! Specification: `docs/spec/01-crypto.md` §8.

use core::fmt;
use core::hint::black_box;

use libcrux_ml_kem::mlkem768::{
    self, MlKem768Ciphertext, MlKem768PrivateKey, MlKem768PublicKey, validate_public_key,
};
use rand_core::CryptoRng;

use super::secret::{Secret, secret_type};

/// Bytes of an encapsulation key.
pub const KEM_PUBLIC_LEN: usize = 1184;
/// Bytes of a ciphertext.
pub const KEM_CIPHERTEXT_LEN: usize = 1088;

secret_type! {
    /// The seed `d ‖ z` of a key pair (FIPS 203 §7.1).
    KemSeed(64);
    /// What both sides of an encapsulation share. Goes into a KDF, never into a cipher.
    KemShared(32);
}

/// An encapsulation key whose coefficients were checked (FIPS 203 §7.2).
#[derive(Clone, PartialEq, Eq)]
pub struct KemPublic(Box<[u8; KEM_PUBLIC_LEN]>);

/// 1,184 bytes that are no encapsulation key: a coefficient is not below 3329.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("KEM key: a coefficient is not reduced")]
pub struct BadKemKey;

impl KemPublic {
    /// Checks `bytes`.
    ///
    /// # Errors
    /// [`BadKemKey`] if a coefficient is out of range.
    pub fn check(bytes: &[u8; KEM_PUBLIC_LEN]) -> Result<Self, BadKemKey> {
        let key = MlKem768PublicKey::from(bytes);
        validate_public_key(&key)
            .then(|| Self(Box::new(*bytes)))
            .ok_or(BadKemKey)
    }

    /// The bytes of FIPS 203.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; KEM_PUBLIC_LEN] {
        &self.0
    }

    /// A fresh shared secret, and the ciphertext that carries it.
    #[must_use]
    pub fn encapsulate(&self, rng: &mut impl CryptoRng) -> (KemShared, [u8; KEM_CIPHERTEXT_LEN]) {
        self.encapsulate_with(&Secret::random(rng))
    }

    /// [`Self::encapsulate`] with the 32 bytes `m` of FIPS 203 given.
    #[must_use]
    pub fn encapsulate_with(&self, m: &Secret<32>) -> (KemShared, [u8; KEM_CIPHERTEXT_LEN]) {
        let key = MlKem768PublicKey::from(&*self.0);
        let (ciphertext, mut shared) = mlkem768::encapsulate(&key, *m.expose());
        let shared = KemShared::new(Secret::take(&mut shared));
        (shared, *ciphertext.as_slice())
    }
}

impl fmt::Debug for KemPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemPublic(..)")
    }
}

/// A decapsulation key. Zeroized on drop, never shown.
pub struct KemSecret {
    key: Box<MlKem768PrivateKey>,
    public: KemPublic,
}

impl Drop for KemSecret {
    fn drop(&mut self) {
        *self.key = MlKem768PrivateKey::default();
        black_box(&self.key);
    }
}

impl KemSecret {
    /// Draws a new key pair.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::from_seed(&KemSeed::new(Secret::random(rng)))
    }

    /// The key pair of `seed`.
    #[must_use]
    pub fn from_seed(seed: &KemSeed) -> Self {
        let pair = mlkem768::generate_key_pair(*seed.expose());
        let (key, public) = pair.into_parts();
        Self {
            key: Box::new(key),
            public: KemPublic(Box::new(*public.as_slice())),
        }
    }

    /// The encapsulation key.
    #[must_use]
    pub const fn public(&self) -> &KemPublic {
        &self.public
    }

    /// The shared secret in `ciphertext`. A ciphertext that nobody made gives a secret that nobody
    /// knows (implicit rejection); the handshake behind it then fails.
    #[must_use]
    pub fn decapsulate(&self, ciphertext: &[u8; KEM_CIPHERTEXT_LEN]) -> KemShared {
        let mut shared = mlkem768::decapsulate(&self.key, &MlKem768Ciphertext::from(ciphertext));
        KemShared::new(Secret::take(&mut shared))
    }
}

impl fmt::Debug for KemSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemSecret(redacted)")
    }
}
