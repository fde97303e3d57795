//! `Noise_NKpsk0_25519_ChaChaPoly_BLAKE2b`, the hop handshake, and the same without a psk, `NK`, for
//! tunnels; through `snow`.
//!
//! The initiator knows the responder's static key and, at a hop, both share a psk (from the KEM);
//! one message each way. Deterministic: the ephemeral keys come from the caller's generator. X25519 is
//! aws-lc's, which takes half the time of a portable one; the rest is snow's own.
//! Specification: `docs/spec/01-crypto.md` §9.

mod resolver;

use rand_core::CryptoRng;
use snow::{Builder, HandshakeState, params::NoiseParams};

use super::identity::X25519Secret;
use super::secret::{Secret, secret_type};
pub use resolver::x25519_public;
use resolver::{HopResolver, KeyPair};

/// The pattern and its primitives, as the Noise specification writes them.
pub const PATTERN: &str = "Noise_NKpsk0_25519_ChaChaPoly_BLAKE2b";

/// The pattern of a tunnel to a terminal, whose caller is anonymous and has no psk.
pub const PATTERN_NK: &str = "Noise_NK_25519_ChaChaPoly_BLAKE2b";

/// Bytes that each message adds to its payload: an ephemeral key 32, a tag 16.
pub const OVERHEAD: usize = 32 + 16;

secret_type! {
    /// The pre-shared key of one handshake.
    Psk(32);
    /// The ephemeral X25519 scalar of one handshake.
    Ephemeral(32);
}

/// A handshake that failed. Says no more: what a peer may learn is decided elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the handshake message does not open")]
pub struct HandshakeFailed;

/// The two keys that a finished handshake splits into, which no one else ever knows.
#[derive(Debug)]
pub struct Split {
    /// For what the initiator sends.
    pub to_responder: Secret<32>,
    /// For what the responder sends.
    pub to_initiator: Secret<32>,
}

/// The initiator, which expects the responder's message.
#[derive(Debug)]
pub struct Initiator(HandshakeState);

/// The responder, which has opened the initiator's message and owes it an answer.
#[derive(Debug)]
pub struct Responder(HandshakeState);

/// A responder's static key pair.
#[derive(Debug, Clone)]
pub struct StaticKey(KeyPair);

impl StaticKey {
    /// The key pair of `secret`.
    ///
    /// # Panics
    /// If memory for it cannot be had.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "any 32 bytes are an X25519 secret; only memory can fail"
    )]
    pub fn new(secret: &X25519Secret) -> Self {
        Self(KeyPair::new(secret.expose()).expect("32 bytes are an X25519 secret"))
    }

    /// Draws a new key pair.
    #[must_use]
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::new(&X25519Secret::new(Secret::random(rng)))
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        self.0.public()
    }
}

impl Initiator {
    /// Writes the first message, [`OVERHEAD`] longer than `payload`, into `message`.
    ///
    /// # Errors
    /// [`HandshakeFailed`] if `remote` is a point of small order, or `message` has another length.
    pub fn start(
        remote: &[u8; 32],
        psk: &Psk,
        prologue: &[u8],
        payload: &[u8],
        message: &mut [u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HandshakeFailed> {
        Self::begin(remote, Some(psk), prologue, payload, message, rng)
    }

    /// As [`Initiator::start`], by the pattern [`PATTERN_NK`].
    ///
    /// # Errors
    /// As there.
    pub fn start_nk(
        remote: &[u8; 32],
        prologue: &[u8],
        payload: &[u8],
        message: &mut [u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HandshakeFailed> {
        Self::begin(remote, None, prologue, payload, message, rng)
    }

    fn begin(
        remote: &[u8; 32],
        psk: Option<&Psk>,
        prologue: &[u8],
        payload: &[u8],
        message: &mut [u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HandshakeFailed> {
        let resolver = HopResolver::new(None, Ephemeral::new(Secret::random(rng)));
        let mut state = builder(resolver, psk, prologue)
            .and_then(|builder| builder.remote_public_key(remote))
            .and_then(Builder::build_initiator)
            .map_err(|_| HandshakeFailed)?;
        write(&mut state, payload, message).map(|()| Self(state))
    }

    /// Opens the responder's message into `payload`, which must be [`OVERHEAD`] shorter.
    ///
    /// # Errors
    /// [`HandshakeFailed`] if it was not made by the responder for this very handshake.
    pub fn finish(mut self, message: &[u8], payload: &mut [u8]) -> Result<Split, HandshakeFailed> {
        read(&mut self.0, message, payload)?;
        Ok(split(&mut self.0))
    }
}

impl Responder {
    /// Opens the first message into `payload`, which must be [`OVERHEAD`] shorter.
    ///
    /// # Errors
    /// [`HandshakeFailed`] if it was not made for this key, psk and prologue.
    pub fn open(
        key: &StaticKey,
        psk: &Psk,
        prologue: &[u8],
        message: &[u8],
        payload: &mut [u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HandshakeFailed> {
        Self::receive(key, Some(psk), prologue, message, payload, rng)
    }

    /// As [`Responder::open`], by the pattern [`PATTERN_NK`].
    ///
    /// # Errors
    /// [`HandshakeFailed`] if the message was not made for this key and prologue.
    pub fn open_nk(
        key: &StaticKey,
        prologue: &[u8],
        message: &[u8],
        payload: &mut [u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HandshakeFailed> {
        Self::receive(key, None, prologue, message, payload, rng)
    }

    fn receive(
        key: &StaticKey,
        psk: Option<&Psk>,
        prologue: &[u8],
        message: &[u8],
        payload: &mut [u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HandshakeFailed> {
        let resolver = HopResolver::new(Some(key.0.clone()), Ephemeral::new(Secret::random(rng)));
        let mut state = builder(resolver, psk, prologue)
            // snow wants to know that there is a key; the resolver holds it.
            .and_then(|builder| builder.local_private_key(&[0; 32]))
            .and_then(Builder::build_responder)
            .map_err(|_| HandshakeFailed)?;
        read(&mut state, message, payload).map(|()| Self(state))
    }

    /// Writes the answer, [`OVERHEAD`] longer than `payload`, into `message`.
    ///
    /// # Errors
    /// [`HandshakeFailed`] if `message` has another length.
    pub fn answer(mut self, payload: &[u8], message: &mut [u8]) -> Result<Split, HandshakeFailed> {
        write(&mut self.0, payload, message)?;
        Ok(split(&mut self.0))
    }
}

fn builder<'b>(
    resolver: HopResolver,
    psk: Option<&'b Psk>,
    prologue: &'b [u8],
) -> Result<Builder<'b>, snow::Error> {
    let pattern = psk.map_or(PATTERN_NK, |_| PATTERN);
    let params: NoiseParams = pattern.parse()?;
    let builder = Builder::with_resolver(params, Box::new(resolver)).prologue(prologue)?;
    match psk {
        Some(psk) => builder.psk(0, psk.expose()),
        None => Ok(builder),
    }
}

fn write(
    state: &mut HandshakeState,
    payload: &[u8],
    message: &mut [u8],
) -> Result<(), HandshakeFailed> {
    let written = state.write_message(payload, message);
    (written == Ok(message.len()))
        .then_some(())
        .ok_or(HandshakeFailed)
}

fn read(
    state: &mut HandshakeState,
    message: &[u8],
    payload: &mut [u8],
) -> Result<(), HandshakeFailed> {
    let read = state.read_message(message, payload);
    (read == Ok(payload.len()))
        .then_some(())
        .ok_or(HandshakeFailed)
}

fn split(state: &mut HandshakeState) -> Split {
    let (mut to_responder, mut to_initiator) = state.dangerously_get_raw_split();
    Split {
        to_responder: Secret::take(&mut to_responder),
        to_initiator: Secret::take(&mut to_initiator),
    }
}
