//! Where a relay is, whose it is and what it carries, signed by the relay.
//!
//! ```text
//! ┌─────────┬────────┬───────┬──────────┬────────────┬─────────┬────────┬────────┬───────────┬──────────────┐
//! │ version │ kind 1 │ id 32 │ issued 8 │ capacity 4 │ flags 1 │ IPv4 6 │ IPv6 18│ family 32 │ signature 64 │
//! └─────────┴────────┴───────┴──────────┴────────────┴─────────┴────────┴────────┴───────────┴──────────────┘
//!  ◀──────────────────────────────── signed ────────────────────────────────────▶
//! ```
//! Flags, addresses and family as in a relay contact. Of two descriptors of a relay the newer one
//! counts. Specification: `docs/spec/10-directory.md` §2.

use core::fmt;

use super::contact::{Addresses, Family, read_place, write_place};
use super::document::{Kind, read_head, write_head};
use crate::crypto::hash::{NetworkId, label};
use crate::crypto::identity::{BadSignature, PublicKey, RelayId, SecretKey};
use crate::wire::limits::DESCRIPTOR_MAX;
use crate::wire::{Reader, WireError, Writer};

/// What a relay says of itself, without its name and signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// When it says so, in seconds since 1970.
    pub issued: u64,
    /// Where it is reached.
    pub addresses: Addresses,
    /// Whose it is, if the operator says so.
    pub family: Option<Family>,
    /// Cells a second that it can carry, by its own word.
    pub capacity: u32,
}

/// A descriptor, *not yet verified*.
#[derive(Clone, PartialEq, Eq)]
pub struct Descriptor {
    relay: RelayId,
    presence: Presence,
    signature: [u8; 64],
}

/// A descriptor that its relay signed. Only [`Descriptor::verify`] and [`Descriptor::sign`] make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedDescriptor(Descriptor);

impl Descriptor {
    /// The descriptor of the relay that has `key`.
    #[must_use]
    pub fn sign(network: &NetworkId, key: &SecretKey, presence: Presence) -> VerifiedDescriptor {
        let mut descriptor = Self {
            relay: key.relay_id(),
            presence,
            signature: [0; 64],
        };
        let text = descriptor.text();
        descriptor.signature = key.sign(label::DIRECTORY_DESCRIPTOR, network, &[&text]);
        VerifiedDescriptor(descriptor)
    }

    /// Verifies the signature.
    ///
    /// # Errors
    /// [`BadSignature`], also if the relay's id is no key.
    pub fn verify(self, network: &NetworkId) -> Result<VerifiedDescriptor, BadSignature> {
        let key = self.relay.key().map_err(|_| BadSignature)?;
        self.verify_by(network, &key)
    }

    /// [`Self::verify`] with the relay's key, which was checked before.
    pub(super) fn verify_by(
        self,
        network: &NetworkId,
        key: &PublicKey,
    ) -> Result<VerifiedDescriptor, BadSignature> {
        if *key.as_bytes() != self.relay.0 {
            return Err(BadSignature);
        }
        let (label, text) = (label::DIRECTORY_DESCRIPTOR, self.text());
        key.verify(label, network, &[&text], &self.signature)?;
        Ok(VerifiedDescriptor(self))
    }

    /// Whose it claims to be.
    #[must_use]
    pub const fn relay(&self) -> RelayId {
        self.relay
    }

    /// What it says.
    #[must_use]
    pub const fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The bytes that [`Descriptor::decode`] reads.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.text();
        bytes.extend_from_slice(&self.signature);
        bytes
    }

    /// Reads a descriptor.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        let relay = read_head(&mut reader, Kind::Descriptor)?;
        let issued = reader.u64("issued")?;
        let capacity = reader.u32("capacity")?;
        let (addresses, family) = read_place(&mut reader)?;
        let signature = *reader.array("signature")?;
        reader.finish("descriptor")?;
        let presence = Presence {
            issued,
            addresses,
            family,
            capacity,
        };
        Ok(Self {
            relay,
            presence,
            signature,
        })
    }

    /// The bytes that are signed, and by which it is named.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut bytes = vec![0; DESCRIPTOR_MAX];
        let mut writer = Writer::new(&mut bytes);
        let written = self.write(&mut writer);
        debug_assert_eq!(written, Ok(()), "no descriptor exceeds its bound");
        let left = writer.left();
        bytes.truncate(DESCRIPTOR_MAX - left);
        bytes
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        write_head(writer, Kind::Descriptor, &self.relay)?;
        writer.bytes("issued", &self.presence.issued.to_be_bytes())?;
        writer.u32("capacity", self.presence.capacity)?;
        write_place(writer, &self.presence.addresses, self.presence.family)
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Descriptor({:?})", self.relay)
    }
}

impl VerifiedDescriptor {
    /// The descriptor.
    #[must_use]
    pub const fn get(&self) -> &Descriptor {
        &self.0
    }

    /// One that this node verified before it wrote it to its own disk.
    pub(super) const fn remembered(descriptor: Descriptor) -> Self {
        Self(descriptor)
    }
}
