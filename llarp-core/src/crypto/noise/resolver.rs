//! The primitives that snow gets from us: X25519 from aws-lc, randomness from the caller.

use std::sync::Arc;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::Zeroizing;

use super::Ephemeral;

/// The X25519 public key of `secret`.
#[must_use]
pub fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    x25519_dalek::x25519(*secret, x25519_dalek::X25519_BASEPOINT_BYTES)
}

/// A secret X25519 key as aws-lc holds it, with its public half: computed once, used for every
/// Diffie-Hellman of its life. aws-lc wipes it when it is freed.
#[derive(Debug, Clone)]
pub(super) struct KeyPair {
    secret: Arc<PrivateKey>,
    public: [u8; 32],
}

impl KeyPair {
    pub(super) fn new(secret: &[u8; 32]) -> Result<Self, snow::Error> {
        let secret = PrivateKey::from_private_key(&X25519, secret).map_err(|_| snow::Error::Dh)?;
        let public = secret.compute_public_key().map_err(|_| snow::Error::Dh)?;
        let public = public.as_ref().try_into().map_err(|_| snow::Error::Dh)?;
        let secret = Arc::new(secret);
        Ok(Self { secret, public })
    }

    pub(super) const fn public(&self) -> &[u8; 32] {
        &self.public
    }
}

/// Resolves for one handshake.
pub(super) struct HopResolver {
    local: Option<KeyPair>,
    ephemeral: Ephemeral,
}

impl HopResolver {
    /// `local` is the local static key, if there is one.
    pub(super) const fn new(local: Option<KeyPair>, ephemeral: Ephemeral) -> Self {
        Self { local, ephemeral }
    }
}

impl CryptoResolver for HopResolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(OneDraw(Some(self.ephemeral.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        let DHChoice::Curve25519 = choice else {
            return None;
        };
        let local = self.local.clone();
        Some(Box::new(FastX25519 { local, pair: None }))
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// Gives out one ephemeral key, once. A second draw fails: a handshake has one ephemeral key.
struct OneDraw(Option<Ephemeral>);

impl Random for OneDraw {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        let ephemeral = self.0.take().ok_or(snow::Error::Rng)?;
        match dest.len() {
            32 => dest.copy_from_slice(ephemeral.expose()),
            _ => return Err(snow::Error::Rng),
        }
        Ok(())
    }
}

/// One of snow's key slots: the local static key, or the ephemeral one.
struct FastX25519 {
    local: Option<KeyPair>,
    pair: Option<KeyPair>,
}

impl Dh for FastX25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    /// snow calls it for the local static key only, whose pair we hold already.
    fn set(&mut self, _privkey: &[u8]) {
        self.pair = self.local.take();
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(&mut *secret)?;
        self.pair = Some(KeyPair::new(&secret)?);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.pair.as_ref().map_or(&[0; 32], |pair| &pair.public)
    }

    /// Never shown: none of the patterns that we speak has snow ask for it.
    fn privkey(&self) -> &[u8] {
        &[]
    }

    /// Refuses a shared secret of zero, which a peer key of small order gives.
    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let pair = self.pair.as_ref().ok_or(snow::Error::Dh)?;
        let peer = pubkey.get(..32).ok_or(snow::Error::Dh)?;
        let out = out.get_mut(..32).ok_or(snow::Error::Dh)?;
        let peer = UnparsedPublicKey::new(&X25519, peer);
        agreement::agree(&pair.secret, peer, snow::Error::Dh, |shared| {
            out.copy_from_slice(shared);
            Ok(())
        })
    }
}
