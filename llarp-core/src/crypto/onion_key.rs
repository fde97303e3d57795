//! A relay's onion keys: the X25519 and ML-KEM key pairs that path builds are made to, changed at
//! network-wide key epochs and then erased. Specification: `docs/spec/01-crypto.md` §8.

use rand_core::CryptoRng;

use super::hash::{NetworkId, derive, hash, label};
use super::identity::RelayId;
use super::kem::{KEM_CIPHERTEXT_LEN, KemPublic, KemSecret, KemShared};
use super::noise::{Psk, StaticKey};
use super::secret::Secret;

/// Names one set of onion keys of one relay in one network; binds both public keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OnionKeyId(pub [u8; 16]);

/// The public half that clients build paths to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnionPublic {
    /// The Noise static key.
    pub x25519: [u8; 32],
    /// The encapsulation key.
    pub kem: KemPublic,
}

impl OnionPublic {
    /// The id of these keys at `relay` in `network`.
    #[must_use]
    pub fn id(&self, network: &NetworkId, relay: &RelayId) -> OnionKeyId {
        let parts: [&[u8]; 3] = [&relay.0, &self.x25519, self.kem.as_bytes()];
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
            hash(label::ONION_KEY_ID, network, &parts);
        OnionKeyId(id)
    }
}

/// The secret half. Dropping it erases it, as soon as the last build that it opened is answered:
/// what was built to it opens never again.
#[derive(Debug)]
pub struct OnionSecret {
    id: OnionKeyId,
    x25519: StaticKey,
    kem: KemSecret,
}

impl OnionSecret {
    /// Draws the key pairs of `relay`.
    #[must_use]
    pub fn generate(network: &NetworkId, relay: &RelayId, rng: &mut impl CryptoRng) -> Self {
        let (x25519, kem) = (StaticKey::generate(rng), KemSecret::generate(rng));
        Self::new(network, relay, x25519, kem)
    }

    /// The onion keys made of these key pairs.
    #[must_use]
    pub fn new(network: &NetworkId, relay: &RelayId, x25519: StaticKey, kem: KemSecret) -> Self {
        let public = OnionPublic {
            x25519: *x25519.public(),
            kem: kem.public().clone(),
        };
        Self {
            id: public.id(network, relay),
            x25519,
            kem,
        }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> OnionPublic {
        OnionPublic {
            x25519: *self.x25519.public(),
            kem: self.kem.public().clone(),
        }
    }

    /// The id of these keys.
    #[must_use]
    pub const fn id(&self) -> OnionKeyId {
        self.id
    }

    /// The Noise static key pair.
    #[must_use]
    pub const fn x25519(&self) -> &StaticKey {
        &self.x25519
    }

    /// The secret in a build's ciphertext.
    #[must_use]
    pub fn decapsulate(&self, ciphertext: &[u8; KEM_CIPHERTEXT_LEN]) -> KemShared {
        self.kem.decapsulate(ciphertext)
    }
}

/// The Noise psk of a handshake: derived from the KEM's secret, the ciphertext and the key's id.
#[must_use]
pub fn handshake_psk(
    network: &NetworkId,
    shared: KemShared,
    id: &OnionKeyId,
    ciphertext: &[u8; KEM_CIPHERTEXT_LEN],
) -> Psk {
    let key = Secret::take(&mut { *shared.expose() });
    Psk::new(derive(
        &key,
        label::BUILD_PSK,
        network,
        &[&id.0, ciphertext],
    ))
}
