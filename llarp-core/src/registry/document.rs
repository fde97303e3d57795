//! What the directory is made of: descriptors, key sets, and proofs against relays.
//!
//! All begin with version, kind and the relay's id. A document is compared by its *name*, a hash of
//! what it says, without its signature: a relay that signs the same again makes no other document.
//! A proof's name is a hash of whom it is about, since one proof is as good as another.
//! Specification: `docs/spec/10-directory.md` §1.

use super::{Descriptor, Equivocation, KeySet};
use crate::crypto::hash::{NetworkId, hash, label};
use crate::crypto::identity::RelayId;
use crate::wire::limits::{EQUIVOCATION_LEN, KEY_SET_LEN, VERSION};
use crate::wire::{Fault, Reader, WireError, Writer};

/// A document's kind on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// [`Descriptor`].
    Descriptor = 1,
    /// [`KeySet`].
    KeySet = 2,
    /// [`Equivocation`].
    Equivocation = 3,
}

/// The name of a document: what sources are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(pub [u8; 32]);

/// A document that was read, *not yet verified*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// Where a relay is.
    Descriptor(Descriptor),
    /// A relay's onion keys of one key epoch.
    KeySet(KeySet),
    /// The proof against a relay.
    Equivocation(Equivocation),
}

impl Document {
    /// Whose it is, or against whom.
    #[must_use]
    pub const fn relay(&self) -> RelayId {
        match self {
            Self::Descriptor(descriptor) => descriptor.relay(),
            Self::KeySet(set) => set.relay(),
            Self::Equivocation(proof) => proof.relay(),
        }
    }

    /// By what it is compared and asked for.
    #[must_use]
    pub fn name(&self, network: &NetworkId) -> Name {
        match self {
            Self::Descriptor(descriptor) => name_of(network, &descriptor.text()),
            Self::KeySet(set) => name_of(network, &set.text()),
            Self::Equivocation(proof) => proof_name(network, &proof.relay()),
        }
    }

    /// The bytes that [`Document::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Descriptor(descriptor) => descriptor.encode(),
            Self::KeySet(set) => set.encode(),
            Self::Equivocation(proof) => proof.encode(),
        }
    }

    /// How many bytes [`Self::encode`] gives.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        match self {
            Self::Descriptor(descriptor) => descriptor.encode().len(),
            Self::KeySet(_) => KEY_SET_LEN,
            Self::Equivocation(_) => EQUIVOCATION_LEN,
        }
    }

    /// Reads a document of any kind.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version()?;
        match reader.u8("kind")? {
            1 => Descriptor::decode(bytes).map(Self::Descriptor),
            2 => KeySet::decode(bytes).map(Self::KeySet),
            3 => Equivocation::decode(bytes).map(Self::Equivocation),
            got => Err(kind_error(got)),
        }
    }
}

fn name_of(network: &NetworkId, bytes: &[u8]) -> Name {
    Name(hash(label::DIRECTORY_HASH, network, &[bytes]))
}

/// The name of any proof against `relay`.
pub(super) fn proof_name(network: &NetworkId, relay: &RelayId) -> Name {
    let head = [VERSION, Kind::Equivocation as u8];
    name_of(network, &[&head[..], &relay.0].concat())
}

pub(super) fn write_head(
    writer: &mut Writer<'_>,
    kind: Kind,
    relay: &RelayId,
) -> Result<(), WireError> {
    writer.u8("version", VERSION)?;
    writer.u8("kind", kind as u8)?;
    writer.bytes("relay id", &relay.0)
}

pub(super) fn read_head(reader: &mut Reader<'_>, kind: Kind) -> Result<RelayId, WireError> {
    reader.version()?;
    match reader.u8("kind")? {
        code if code == kind as u8 => Ok(RelayId(*reader.array("relay id")?)),
        got => Err(kind_error(got)),
    }
}

const fn kind_error(got: u8) -> WireError {
    let got = got as u64;
    WireError::new("kind", Fault::NotAdmitted { got })
}
