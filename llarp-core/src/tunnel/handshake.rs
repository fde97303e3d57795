//! The Noise handshake of a tunnel, apart from QUIC: two messages, then a split.
//!
//! ```text
//! message 1   0          16            message 2   0
//!            ┌──────────┬─────────┐               ┌─────────┐
//!            │ key id   │ Noise   │               │ Noise   │
//!            └──────────┴─────────┘               └─────────┘
//! ```
//!
//! The payload of either is its sender's QUIC parameters. Specification: §2.

use core::convert::Infallible;
use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand_core::{TryCryptoRng, TryRng};

use crate::crypto::hash::{NetworkId, derive, framed, label};
use crate::crypto::identity::RelayId;
use crate::crypto::noise::{HandshakeFailed, Initiator, OVERHEAD, Responder, Split, StaticKey};
use crate::crypto::onion_key::{OnionKeyId, OnionPublic};
use crate::crypto::secret::Secret;
use crate::wire::limits::{TUNNEL_HANDSHAKE_MAX, VERSION};
use crate::wire::{Reader, WireError};

/// Whom a tunnel leads to.
#[derive(Debug, Clone)]
pub enum FarEnd {
    /// The last relay of the path. The caller stays anonymous: `NK`.
    Terminal {
        /// The relay.
        relay: RelayId,
        /// Its onion keys.
        onion: OnionPublic,
    },
}

/// The keys by which a relay answers callers.
pub trait TunnelKeys: Send + Sync {
    /// The relay's id.
    fn relay(&self) -> RelayId;

    /// The Noise key of the onion keys with this id, while they are valid.
    fn find(&self, id: &OnionKeyId) -> Option<StaticKey>;
}

/// Why a handshake ends without a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The message is no message.
    #[error(transparent)]
    Malformed(#[from] WireError),
    /// The callee does not hold, or no longer holds, the key that was meant.
    #[error("the key that the caller means is not here")]
    UnknownKey,
    /// The message was not made for this key, relay and network, or was changed.
    #[error(transparent)]
    DoesNotOpen(#[from] HandshakeFailed),
}

/// A caller that waits for message 2.
pub struct ExpectAnswer(Initiator);

/// Writes message 1 to `far`.
///
/// # Errors
/// [`HandshakeError::DoesNotOpen`] if the far end's key is none.
pub fn call(
    network: &NetworkId,
    far: &FarEnd,
    parameters: &[u8],
    draws: &Draws,
) -> Result<(ExpectAnswer, Vec<u8>), HandshakeError> {
    let FarEnd::Terminal { relay, onion } = far;
    let id = onion.id(network, relay);
    let mut noise = vec![0; parameters.len() + OVERHEAD];
    let initiator = Initiator::start_nk(
        &onion.x25519,
        &prologue(network, relay, &id),
        parameters,
        &mut noise,
        &mut &*draws,
    )?;
    Ok((ExpectAnswer(initiator), [&id.0[..], &noise].concat()))
}

impl ExpectAnswer {
    /// Opens message 2: the callee's parameters, and the split.
    ///
    /// # Errors
    /// [`HandshakeError::DoesNotOpen`].
    pub fn finish(self, message: &[u8]) -> Result<(Vec<u8>, Split), HandshakeError> {
        let mut parameters = payload(message)?;
        let split = self.0.finish(message, &mut parameters)?;
        Ok((parameters, split))
    }
}

/// A callee that has opened message 1.
pub struct OwesAnswer(Responder);

/// Opens message 1: the caller's parameters, and what is to be answered.
///
/// # Errors
/// [`HandshakeError`].
pub fn answer_to(
    network: &NetworkId,
    keys: &dyn TunnelKeys,
    message: &[u8],
    draws: &Draws,
) -> Result<(Vec<u8>, OwesAnswer), HandshakeError> {
    let mut reader = Reader::new(message);
    let id = OnionKeyId(*reader.array("onion key id")?);
    let noise = message.get(id.0.len()..).unwrap_or_default();
    let mut parameters = payload(noise)?;
    let key = keys.find(&id).ok_or(HandshakeError::UnknownKey)?;
    let prologue = prologue(network, &keys.relay(), &id);
    let responder = Responder::open_nk(&key, &prologue, noise, &mut parameters, &mut &*draws)?;
    Ok((parameters, OwesAnswer(responder)))
}

impl OwesAnswer {
    /// Writes message 2, and splits.
    ///
    /// # Errors
    /// [`HandshakeError::DoesNotOpen`] if the caller's ephemeral key is none.
    pub fn answer(self, parameters: &[u8]) -> Result<(Vec<u8>, Split), HandshakeError> {
        let mut message = vec![0; parameters.len() + OVERHEAD];
        let split = self.0.answer(parameters, &mut message)?;
        Ok((message, split))
    }
}

/// Room for what `noise` carries.
fn payload(noise: &[u8]) -> Result<Vec<u8>, HandshakeError> {
    let len = noise.len().checked_sub(OVERHEAD);
    let len = len.filter(|len| *len <= TUNNEL_HANDSHAKE_MAX);
    Ok(vec![0; len.ok_or(HandshakeFailed)?])
}

fn prologue(network: &NetworkId, relay: &RelayId, id: &OnionKeyId) -> Vec<u8> {
    framed(
        label::TUNNEL_PROLOGUE,
        network,
        &[&[VERSION], &relay.0, &id.0],
    )
}

/// Ephemeral keys: a chain of secrets, each of which is erased when the next is made, so that keys
/// given out cannot be computed again.
#[derive(Clone)]
pub struct Draws {
    network: NetworkId,
    secret: Arc<Mutex<Secret<32>>>,
}

impl Draws {
    /// Draws of a machine with this seed, which is to be another at each start.
    #[must_use]
    pub fn new(seed: &Secret<32>, network: NetworkId) -> Self {
        let secret = derive(seed, label::TUNNEL_EPHEMERAL, &network, &[b"seed"]);
        let secret = Arc::new(Mutex::new(secret));
        Self { network, secret }
    }

    fn next(&self) -> Secret<32> {
        let mut secret = self.secret.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |part: &[u8]| derive(&secret, label::TUNNEL_EPHEMERAL, &self.network, &[part]);
        let (drawn, next) = (of(b"draw"), of(b"next"));
        *secret = next;
        drawn
    }
}

impl TryRng for &Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(32) {
            let drawn = self.next();
            for (to, from) in chunk.iter_mut().zip(drawn.expose()) {
                *to = *from;
            }
        }
        Ok(())
    }
}

impl TryCryptoRng for &Draws {}

impl fmt::Debug for Draws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draws(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::kem::KemSecret;
    use crate::crypto::onion_key::OnionSecret;

    struct One(RelayId, OnionSecret);

    impl TunnelKeys for One {
        fn relay(&self) -> RelayId {
            self.0
        }

        fn find(&self, id: &OnionKeyId) -> Option<StaticKey> {
            (*id == self.1.id()).then(|| self.1.x25519().clone())
        }
    }

    fn one(network: &NetworkId, relay: RelayId) -> (One, FarEnd, Draws) {
        let draws = Draws::new(&Secret::take(&mut [1; 32]), *network);
        let x25519 = StaticKey::generate(&mut &draws);
        let onion = OnionSecret::new(network, &relay, x25519, KemSecret::generate(&mut &draws));
        let far = FarEnd::Terminal {
            relay,
            onion: onion.public(),
        };
        (One(relay, onion), far, draws)
    }

    #[test]
    fn both_sides_split_alike_and_read_the_other_parameters() {
        let network = NetworkId::from_name("test");
        let (keys, far, draws) = one(&network, RelayId([7; 32]));
        let (expect, first) = call(&network, &far, b"caller", &draws).unwrap();
        let (theirs, owes) = answer_to(&network, &keys, &first, &draws).unwrap();
        assert_eq!(theirs, b"caller");
        let (second, split) = owes.answer(b"callee").unwrap();
        let (theirs, same) = expect.finish(&second).unwrap();
        assert_eq!(theirs, b"callee");
        assert_eq!(split.to_responder, same.to_responder);
        assert_eq!(split.to_initiator, same.to_initiator);
        assert_ne!(split.to_initiator, same.to_responder);
    }

    #[test]
    fn every_changed_byte_of_either_message_is_refused() {
        let network = NetworkId::from_name("test");
        let (keys, far, draws) = one(&network, RelayId([7; 32]));
        let (_, first) = call(&network, &far, b"caller", &draws).unwrap();
        for at in 0..first.len() {
            let mut changed = first.clone();
            changed[at] ^= 1;
            let refused = answer_to(&network, &keys, &changed, &draws).err();
            let unknown = refused == Some(HandshakeError::UnknownKey);
            assert!(refused.is_some() && unknown == (at < 16), "byte {at}");
        }
        for at in 0..b"callee".len() + OVERHEAD {
            let (expect, first) = call(&network, &far, b"caller", &draws).unwrap();
            let (_, owes) = answer_to(&network, &keys, &first, &draws).unwrap();
            let (mut second, _) = owes.answer(b"callee").unwrap();
            second[at] ^= 1;
            assert!(expect.finish(&second).is_err(), "byte {at}");
        }
    }

    #[test]
    fn network_and_relay_are_bound_even_where_the_key_id_is_right() {
        let network = NetworkId::from_name("test");
        let (keys, far, draws) = one(&network, RelayId([7; 32]));
        let (_, first) = call(&network, &far, b"", &draws).unwrap();
        let other = NetworkId::from_name("other");
        let refused = answer_to(&other, &keys, &first, &draws).err();
        assert_eq!(refused, Some(HandshakeError::DoesNotOpen(HandshakeFailed)));
        let liar = One(RelayId([8; 32]), keys.1);
        let refused = answer_to(&network, &liar, &first, &draws).err();
        assert_eq!(refused, Some(HandshakeError::DoesNotOpen(HandshakeFailed)));
    }

    #[test]
    fn no_two_draws_are_alike() {
        let draws = Draws::new(&Secret::take(&mut [1; 32]), NetworkId([0; 32]));
        assert_ne!(draws.next(), draws.next());
    }
}
