//! The primitives that snow gets from us: X25519 from aws-lc, randomness from the caller.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::Ephemeral;

/// The X25519 public key of `secret`.
#[must_use]
pub fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    x25519_dalek::x25519(*secret, x25519_dalek::X25519_BASEPOINT_BYTES)
}

/// Resolves for one handshake.
pub(super) struct HopResolver {
    local_public: Option<[u8; 32]>,
    ephemeral: Ephemeral,
}

impl HopResolver {
    /// `local_public` is the public half of the local static key, if there is one.
    pub(super) const fn new(local_public: Option<[u8; 32]>, ephemeral: Ephemeral) -> Self {
        Self {
            local_public,
            ephemeral,
        }
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
        Some(Box::new(FastX25519 {
            secret: [0; 32],
            public: [0; 32],
            local_public: self.local_public,
        }))
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

#[derive(Zeroize, ZeroizeOnDrop)]
struct FastX25519 {
    secret: [u8; 32],
    #[zeroize(skip)]
    public: [u8; 32],
    #[zeroize(skip)]
    local_public: Option<[u8; 32]>,
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

    /// Called for the local static key only, whose public half is known and need not be computed.
    fn set(&mut self, privkey: &[u8]) {
        if let Ok(secret) = privkey.try_into() {
            self.secret = secret;
        }
        self.public = self
            .local_public
            .unwrap_or_else(|| x25519_public(&self.secret));
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        rng.try_fill_bytes(&mut self.secret)?;
        self.public = x25519_public(&self.secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &self.secret
    }

    /// Refuses a shared secret of zero, which a peer key of small order gives.
    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        let peer = pubkey.get(..32).ok_or(snow::Error::Dh)?;
        let out = out.get_mut(..32).ok_or(snow::Error::Dh)?;
        let secret =
            PrivateKey::from_private_key(&X25519, &self.secret).map_err(|_| snow::Error::Dh)?;
        let peer = UnparsedPublicKey::new(&X25519, peer);
        agreement::agree(&secret, peer, snow::Error::Dh, |shared| {
            out.copy_from_slice(shared);
            Ok(())
        })
    }
}
