//! Who signs the registry: charters, each signed by the authorities of the one before.
//!
//! ```text
//! charter  ┌───────────┬──────────┬────────────────┬─────────────┬─────────┬─────────────────────┐
//!          │ version 1 │ number 4 │ predecessor 32 │ threshold 1 │ count 1 │ keys 32, ascending  │
//!          └───────────┴──────────┴────────────────┴─────────────┴─────────┴─────────────────────┘
//! signed   charter ‖ signatures of its predecessor's authorities
//! ```

use super::bytes::{at_most, count_u8, mismatch, write_u8, written};
use super::signatures::Signatures;
use super::{Signature, SignatureError};
use crate::crypto::hash::{NetworkId, hash, label};
use crate::crypto::identity::{PublicKey, SecretKey};
use crate::wire::limits::{AUTHORITIES_MAX, CHARTER_MAX, CHARTERS_MAX, SIGNATURES_MAX, VERSION};
use crate::wire::{Fault, Reader, WireError, Writer};

/// A charter's hash, by which its successor names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CharterHash(pub [u8; 32]);

/// Why a charter is none, or does not follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// No key, or too many.
    #[error("a charter has 1 to {AUTHORITIES_MAX} keys, {got} given")]
    Keys {
        /// Keys given.
        got: usize,
    },
    /// One key would have two votes.
    #[error("a key is there twice: each authority has one")]
    Twice,
    /// Nobody, or more than there are, would have to sign.
    #[error("the threshold must be 1 to {keys}, the number of keys; {got} given")]
    Threshold {
        /// Keys of the charter.
        keys: usize,
        /// Threshold given.
        got: u8,
    },
    /// Trust begins with charter 0.
    #[error("charter {got} is not the root, which has number 0")]
    NotRoot {
        /// Its number.
        got: u32,
    },
    /// The chain goes on elsewhere.
    #[error("charter {got} does not follow charter {newest}: fetch those between")]
    NotNext {
        /// The chain's newest.
        newest: u32,
        /// The one given.
        got: u32,
    },
    /// Its authorities were replaced, and may have lost their keys.
    #[error("charter {got} was replaced: this network begins with charter {least}")]
    Retired {
        /// The charter that trust begins with.
        least: u32,
        /// The one given.
        got: u32,
    },
    /// It names another predecessor, or is another than the one known under its number.
    #[error("charter {number} is of another chain than ours: another network's, or forged")]
    OtherChain {
        /// Its number.
        number: u32,
    },
    /// The chain has no room.
    #[error("a network has at most {CHARTERS_MAX} charters")]
    TooMany,
    /// The predecessor's authorities did not sign it.
    #[error("charter {number}: {error}")]
    Unsigned {
        /// Its number.
        number: u32,
        /// What is wrong.
        error: SignatureError,
    },
}

/// Who signs: `threshold` of these keys. A well-formed value, trusted only in a [`CharterChain`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charter {
    number: u32,
    predecessor: CharterHash,
    threshold: u8,
    keys: Vec<PublicKey>,
}

impl Charter {
    /// The charter in which a network's trust begins.
    ///
    /// # Errors
    /// [`CharterError`] about the keys or the threshold.
    pub fn root(
        threshold: u8,
        keys: impl IntoIterator<Item = PublicKey>,
    ) -> Result<Self, CharterError> {
        Self::new(0, CharterHash([0; 32]), threshold, keys)
    }

    /// The charter that puts these keys in the place of this one's; to be signed by this one's.
    ///
    /// # Errors
    /// [`CharterError`] about the keys or the threshold.
    pub fn succeed(
        &self,
        network: &NetworkId,
        threshold: u8,
        keys: impl IntoIterator<Item = PublicKey>,
    ) -> Result<Self, CharterError> {
        let number = self.number.checked_add(1).ok_or(CharterError::TooMany)?;
        Self::new(number, self.hash(network), threshold, keys)
    }

    fn new(
        number: u32,
        predecessor: CharterHash,
        threshold: u8,
        keys: impl IntoIterator<Item = PublicKey>,
    ) -> Result<Self, CharterError> {
        let mut keys: Vec<_> = keys.into_iter().take(AUTHORITIES_MAX + 1).collect();
        let got = keys.len();
        if got == 0 || got > AUTHORITIES_MAX {
            return Err(CharterError::Keys { got });
        }
        keys.sort_unstable();
        if keys
            .windows(2)
            .any(|pair| matches!(pair, [one, other] if one == other))
        {
            return Err(CharterError::Twice);
        }
        if threshold == 0 || usize::from(threshold) > got {
            let (keys, got) = (got, threshold);
            return Err(CharterError::Threshold { keys, got });
        }
        Ok(Self {
            number,
            predecessor,
            threshold,
            keys,
        })
    }

    /// Its number; the root's is 0.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// How many authorities must sign.
    #[must_use]
    pub const fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The authorities' keys, ascending.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Its hash in `network`.
    #[must_use]
    pub fn hash(&self, network: &NetworkId) -> CharterHash {
        CharterHash(hash(label::REGISTRY_CHARTER, network, &[&self.encode()]))
    }

    /// Signs `successor` with a key of this charter.
    ///
    /// # Errors
    /// [`SignatureError::NoAuthority`] if the key is none of this charter's.
    pub fn sign_successor(
        &self,
        network: &NetworkId,
        successor: &Self,
        key: &SecretKey,
    ) -> Result<Signature, SignatureError> {
        let CharterHash(subject) = successor.hash(network);
        Signature::make(
            label::REGISTRY_CHARTER_SIGNATURE,
            network,
            subject,
            self,
            key,
        )
    }

    pub(super) fn index(&self, key: &PublicKey) -> Result<u8, SignatureError> {
        let at = self.keys.binary_search(key).ok();
        at.and_then(|at| u8::try_from(at).ok())
            .ok_or_else(|| self.no_authority())
    }

    pub(super) fn key(&self, index: u8) -> Result<&PublicKey, SignatureError> {
        self.keys
            .get(usize::from(index))
            .ok_or_else(|| self.no_authority())
    }

    const fn no_authority(&self) -> SignatureError {
        SignatureError::NoAuthority {
            charter: self.number,
            keys: self.keys.len(),
        }
    }

    /// The bytes that [`Charter::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        written(CHARTER_MAX, |writer| self.write(writer))
    }

    /// Reads a charter.
    ///
    /// # Errors
    /// [`WireError`] names the field: `version`, `predecessor charter` (the root has none), `key
    /// count`, `authority key`, `threshold`, or `charter` for bytes left over.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        at_most(bytes, CHARTER_MAX, "charter")?;
        let mut reader = Reader::new(bytes);
        let charter = Self::read(&mut reader)?;
        reader.finish("charter").map(|()| charter)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u8("version", VERSION)?;
        writer.u32("charter number", self.number)?;
        writer.bytes("predecessor charter", &self.predecessor.0)?;
        writer.u8("threshold", self.threshold)?;
        write_u8(writer, "key count", self.keys.len())?;
        let mut keys = self.keys.iter();
        keys.try_for_each(|key| writer.bytes("authority key", key.as_bytes()))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        reader.version()?;
        let number = reader.u32("charter number")?;
        if number as usize >= CHARTERS_MAX {
            let (max, got) = (CHARTERS_MAX as u64 - 1, number.into());
            return Err(WireError::new(
                "charter number",
                Fault::TooLarge { max, got },
            ));
        }
        let predecessor = CharterHash(*reader.array("predecessor charter")?);
        if (number == 0) != (predecessor.0 == [0; 32]) {
            return Err(mismatch("predecessor charter"));
        }
        let threshold = reader.u8("threshold")?;
        let count = count_u8(reader, "key count", AUTHORITIES_MAX)?;
        let mut keys: Vec<PublicKey> = Vec::with_capacity(count);
        for _ in 0..count {
            let key = PublicKey::check(reader.array("authority key")?)
                .map_err(|_| WireError::new("authority key", Fault::Invalid))?;
            if keys.last().is_some_and(|last| *last >= key) {
                return Err(mismatch("authority key"));
            }
            keys.push(key);
        }
        Self::new(number, predecessor, threshold, keys).map_err(|_| mismatch("threshold"))
    }
}

/// A charter with signatures, which only a [`CharterChain`] verifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCharter {
    charter: Charter,
    signatures: Signatures,
}

impl SignedCharter {
    /// Puts `charter` together with signatures of its `predecessor`'s authorities.
    ///
    /// # Errors
    /// [`SignatureError`], if they do not suffice.
    pub fn collect(
        network: &NetworkId,
        predecessor: &Charter,
        charter: Charter,
        signatures: impl IntoIterator<Item = Signature>,
    ) -> Result<Self, SignatureError> {
        let CharterHash(subject) = charter.hash(network);
        let label = label::REGISTRY_CHARTER_SIGNATURE;
        let signatures = Signatures::collect(label, network, &subject, predecessor, signatures)?;
        Ok(Self {
            charter,
            signatures,
        })
    }

    /// The charter, as far as it claims.
    #[must_use]
    pub const fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The bytes that [`SignedCharter::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        written(CHARTER_MAX + SIGNATURES_MAX, |writer| self.write(writer))
    }

    /// Reads a charter with its signatures.
    ///
    /// # Errors
    /// [`WireError`] names the field, as [`Charter::decode`] does; also `signature count`, `key
    /// index`, `signature`.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        at_most(bytes, CHARTER_MAX + SIGNATURES_MAX, "signed charter")?;
        let mut reader = Reader::new(bytes);
        let signed = Self::read(&mut reader)?;
        reader.finish("signed charter").map(|()| signed)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        self.charter.write(writer)?;
        self.signatures.write(writer)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            charter: Charter::read(reader)?,
            signatures: Signatures::read(reader)?,
        })
    }
}

/// Whom a newcomer trusts: the root charter, and perhaps a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    charter: Charter,
    pin: Option<(u32, CharterHash)>,
}

impl Root {
    /// The same, where trust begins with the charter of this number and hash: those before it lead to it,
    /// and count for nothing else. Whoever steals keys that were replaced leads no newcomer elsewhere.
    #[must_use]
    pub fn pinned(self, number: u32, hash: CharterHash) -> Self {
        let pin = Some((number, hash));
        Self { pin, ..self }
    }

    /// The charter that nobody signed.
    #[must_use]
    pub const fn charter(&self) -> &Charter {
        &self.charter
    }
}

impl From<Charter> for Root {
    fn from(charter: Charter) -> Self {
        Self { charter, pin: None }
    }
}

/// The charters of a network from its root on, each verified by the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CharterChain {
    network: NetworkId,
    root: Charter,
    links: Vec<SignedCharter>,
    pin: Option<(u32, CharterHash)>,
}

impl CharterChain {
    /// A chain that begins with `root`, which is trusted because whoever runs this program says so.
    ///
    /// # Errors
    /// [`CharterError::NotRoot`].
    pub fn new(network: NetworkId, root: impl Into<Root>) -> Result<Self, CharterError> {
        let Root { charter: root, pin } = root.into();
        let got = root.number;
        if got != 0 {
            return Err(CharterError::NotRoot { got });
        }
        let links = Vec::new();
        let chain = Self {
            network,
            root,
            links,
            pin,
        };
        chain.fits_pin(&chain.root)?;
        Ok(chain)
    }

    /// The network that the chain belongs to.
    #[must_use]
    pub const fn network(&self) -> &NetworkId {
        &self.network
    }

    /// The charter in which trust begins.
    #[must_use]
    pub const fn root(&self) -> &Charter {
        &self.root
    }

    /// The charter of this number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&Charter> {
        match number.checked_sub(1) {
            None => Some(&self.root),
            Some(at) => self.links.get(at as usize).map(SignedCharter::charter),
        }
    }

    /// The charter that counts.
    #[must_use]
    pub fn newest(&self) -> &Charter {
        self.links.last().map_or(&self.root, SignedCharter::charter)
    }

    /// Those behind the root, with their signatures.
    #[must_use]
    pub fn signed(&self) -> &[SignedCharter] {
        &self.links
    }

    /// The charter of this number, if snapshots that it signs count.
    pub(super) fn in_force(&self, number: u32) -> Result<&Charter, CharterError> {
        let least = self.pin.map_or(0, |(number, _)| number);
        if number < least {
            return Err(CharterError::Retired { least, got: number });
        }
        let newest = self.newest().number();
        self.get(number).ok_or(CharterError::NotNext {
            newest,
            got: number,
        })
    }

    /// Takes over a chain that is known already, of whatever pin.
    pub(super) fn take_over(&mut self, known: &Self) -> Result<(), CharterError> {
        known.links.iter().try_for_each(|link| self.extend(link))
    }

    fn fits_pin(&self, charter: &Charter) -> Result<(), CharterError> {
        let number = charter.number;
        match self.pin {
            Some((pinned, hash)) if pinned == number && charter.hash(&self.network) != hash => {
                Err(CharterError::OtherChain { number })
            }
            _ => Ok(()),
        }
    }

    /// Verifies `signed`, and puts it at the end. One that is there already changes nothing.
    ///
    /// # Errors
    /// [`CharterError`]; then the chain is as it was.
    pub fn extend(&mut self, signed: &SignedCharter) -> Result<(), CharterError> {
        let (charter, newest) = (&signed.charter, self.newest());
        let number = charter.number;
        if number <= newest.number {
            let known = self.get(number) == Some(charter);
            return known
                .then_some(())
                .ok_or(CharterError::OtherChain { number });
        }
        if number != newest.number + 1 {
            let (newest, got) = (newest.number, number);
            return Err(CharterError::NotNext { newest, got });
        }
        if number as usize >= CHARTERS_MAX {
            return Err(CharterError::TooMany);
        }
        if charter.predecessor != newest.hash(&self.network) {
            return Err(CharterError::OtherChain { number });
        }
        self.fits_pin(charter)?;
        let CharterHash(subject) = charter.hash(&self.network);
        let label = label::REGISTRY_CHARTER_SIGNATURE;
        signed
            .signatures
            .verify(label, &self.network, &subject, newest)
            .map_err(|error| CharterError::Unsigned { number, error })?;
        self.links.push(signed.clone());
        Ok(())
    }
}
