//! Signatures of several authorities over one hash, made on machines that do not know each other.
//!
//! ```text
//! set    ┌─────────┬───────────────────────────────────────────────────┐
//!        │ count 1 │ key index 1 ‖ signature 64 each, by ascending index │
//!        └─────────┴───────────────────────────────────────────────────┘
//! alone  ┌───────────┬──────────┬─────────────┬──────────────┐
//!        │ version 1 │ signs 32 │ key index 1 │ signature 64 │
//!        └───────────┴──────────┴─────────────┴──────────────┘
//! ```

use super::Charter;
use super::bytes::{count_u8, mismatch, write_u8, written};
use crate::crypto::hash::{Label, NetworkId};
use crate::crypto::identity::SecretKey;
use crate::wire::limits::{AUTHORITIES_MAX, VERSION};
use crate::wire::{Reader, WireError, Writer};

const SIGNATURE_LEN: usize = 1 + 32 + 1 + 64;

/// Why signatures do not make a charter or a snapshot count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The key is none of the charter's.
    #[error("the key is none of the {keys} authorities' of charter {charter}")]
    NoAuthority {
        /// The charter.
        charter: u32,
        /// Its keys.
        keys: usize,
    },
    /// The signature does not verify.
    #[error(
        "the signature of authority {index} does not verify: made for something else, or for another network"
    )]
    Bad {
        /// The key's place in the charter.
        index: u8,
    },
    /// Fewer than the charter asks for.
    #[error("signed by {got} authorities, charter {charter} asks for {need}")]
    TooFew {
        /// The charter.
        charter: u32,
        /// Signatures there.
        got: usize,
        /// Signatures asked for.
        need: u8,
    },
    /// One authority twice: it counts once.
    #[error("authority {index} has signed twice: collect a signature of each")]
    Twice {
        /// The key's place in the charter.
        index: u8,
    },
    /// Signs something else than what it was collected for.
    #[error("the signature of authority {index} is over something else: have this draft signed")]
    OtherSubject {
        /// The key's place in the charter.
        index: u8,
    },
}

/// One authority's signature, on its way from the machine that holds the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    subject: [u8; 32],
    index: u8,
    bytes: [u8; 64],
}

impl Signature {
    /// The hash that is signed, for people to compare.
    #[must_use]
    pub const fn subject(&self) -> &[u8; 32] {
        &self.subject
    }

    /// The signer's place in its charter.
    #[must_use]
    pub const fn index(&self) -> u8 {
        self.index
    }

    pub(super) fn make(
        label: Label,
        network: &NetworkId,
        subject: [u8; 32],
        charter: &Charter,
        key: &SecretKey,
    ) -> Result<Self, SignatureError> {
        let index = charter.index(&key.public())?;
        let bytes = key.sign(label, network, &[&subject]);
        Ok(Self {
            subject,
            index,
            bytes,
        })
    }

    /// The bytes that [`Signature::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        written(SIGNATURE_LEN, |writer| {
            writer.u8("version", VERSION)?;
            writer.bytes("signs", &self.subject)?;
            writer.u8("key index", self.index)?;
            writer.bytes("signature", &self.bytes)
        })
    }

    /// Reads a signature, which is verified when it is collected.
    ///
    /// # Errors
    /// [`WireError`] names the field: `signature` (length) or `version`.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::exact(bytes, SIGNATURE_LEN, "signature")?;
        reader.version()?;
        let signature = Self {
            subject: *reader.array("signs")?,
            index: reader.u8("key index")?,
            bytes: *reader.array("signature")?,
        };
        reader.finish("signature").map(|()| signature)
    }
}

/// Signatures by ascending key index, each key once; not verified by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signatures(Vec<(u8, [u8; 64])>);

impl Signatures {
    /// Puts single signatures together, and verifies that they suffice.
    pub(super) fn collect(
        label: Label,
        network: &NetworkId,
        subject: &[u8; 32],
        charter: &Charter,
        signatures: impl IntoIterator<Item = Signature>,
    ) -> Result<Self, SignatureError> {
        let mut set: Vec<(u8, [u8; 64])> = Vec::new();
        for Signature {
            subject: signed,
            index,
            bytes,
        } in signatures
        {
            if signed != *subject {
                return Err(SignatureError::OtherSubject { index });
            }
            match set.binary_search_by_key(&index, |(index, _)| *index) {
                Ok(_) => return Err(SignatureError::Twice { index }),
                Err(at) => set.insert(at, (index, bytes)),
            }
        }
        let set = Self(set);
        set.verify(label, network, subject, charter).map(|()| set)
    }

    /// Whether as many distinct keys of `charter` as it asks for have signed `subject`. One bad
    /// signature spoils all: nobody honest adds it.
    pub(super) fn verify(
        &self,
        label: Label,
        network: &NetworkId,
        subject: &[u8; 32],
        charter: &Charter,
    ) -> Result<(), SignatureError> {
        let (got, need) = (self.0.len(), charter.threshold());
        if got < usize::from(need) {
            let charter = charter.number();
            return Err(SignatureError::TooFew { charter, got, need });
        }
        for (index, signature) in &self.0 {
            let key = charter.key(*index)?;
            key.verify(label, network, &[subject], signature)
                .map_err(|_| SignatureError::Bad { index: *index })?;
        }
        Ok(())
    }

    /// The places of those who signed, ascending.
    pub(super) fn indices(&self) -> impl ExactSizeIterator<Item = u8> + '_ {
        self.0.iter().map(|(index, _)| *index)
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        write_u8(writer, "signature count", self.0.len())?;
        for (index, signature) in &self.0 {
            writer.u8("key index", *index)?;
            writer.bytes("signature", signature)?;
        }
        Ok(())
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        let count = count_u8(reader, "signature count", AUTHORITIES_MAX)?;
        let mut set: Vec<(u8, [u8; 64])> = Vec::with_capacity(count);
        for _ in 0..count {
            let index = reader.u8("key index")?;
            if set.last().is_some_and(|(last, _)| *last >= index) {
                return Err(mismatch("key index"));
            }
            set.push((index, *reader.array("signature")?));
        }
        Ok(Self(set))
    }
}
