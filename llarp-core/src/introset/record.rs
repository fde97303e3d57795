//! A record: an introset as storers see it, who know neither the address nor what it says.
//!
//! ```text
//! ┌───────────┬─────────┬────────┬────────┬────────────┬─────────┬────────────────┬────────────────┐
//! │ version 1 │ epoch 4 │ from 4 │ slot 1 │ sequence 8 │ until 4 │ blinded key 32 │ signing key 32 │…
//! └───────────┴─────────┴────────┴────────┴────────────┴─────────┴────────────────┴────────────────┘
//!  ┌────────────────┬──────────┬─────────┬────────┬──────────────┐
//! …│ certificate 64 │ proof 13 │ salt 16 │ sealed │ signature 64 │    2400, 3600 or 6000 bytes in all
//!  └────────────────┴──────────┴─────────┴────────┴──────────────┘
//! ```
//! *From* and *until* are whole hours since 1970. The blinded key certifies the signing key, which
//! signs all bytes before the signature. The head, all in front of what is sealed, is what the sealing
//! is bound to. Specification: `docs/spec/12-introsets.md` §2.

use core::cmp::Ordering;
use core::fmt;

use super::bytes::{HOUR, mismatch};
use super::{DeviceSlot, Location};
use crate::crypto::epoch::Epoch;
use crate::crypto::hash::{NetworkId, label};
use crate::crypto::identity::{BadSignature, PublicKey};
use crate::crypto::pow::{Proof, Puzzle};
use crate::wire::limits::{
    PROOF_LEN, RECORD_LIFE_HOURS, RECORD_MAX, RECORD_OVERLAP_HOURS, RECORD_SIZES, VERSION,
};
use crate::wire::{Fault, Reader, WireError, Writer};

/// Bytes of a signature.
const SIGNATURE_LEN: usize = 64;
/// Bytes of a record in front of what is sealed.
pub(super) const HEAD_LEN: usize = 1 + 4 + 4 + 1 + 8 + 4 + 32 + 32 + 64 + PROOF_LEN + SALT_LEN;
/// Bytes of the salt: no two records of a device are sealed under one key.
pub(super) const SALT_LEN: usize = 16;
/// Bytes of a record that are not what is sealed.
pub(super) const AROUND_LEN: usize = HEAD_LEN + SIGNATURE_LEN;

/// A record that was read, *not yet verified*. Its times fit each other and its epoch.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    head: Box<Head>,
    bytes: Box<[u8]>,
}

/// Everything in front of what is sealed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) epoch: Epoch,
    pub(super) from: u32,
    pub(super) slot: DeviceSlot,
    pub(super) sequence: u64,
    pub(super) until: u32,
    pub(super) blinded: [u8; 32],
    pub(super) signing: [u8; 32],
    pub(super) certificate: [u8; 64],
    pub(super) proof: Proof,
    pub(super) salt: [u8; SALT_LEN],
}

/// How a record stands to the one that is held for its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// To be held instead.
    Newer,
    /// The very same bytes.
    Same,
    /// Nothing is wrong with it, but it is not the newest: to be ignored, not to be refused.
    Stale,
}

impl Record {
    /// The bytes that [`Record::decode`] reads.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`WireError`] names the field: `record` (not one of the three lengths), `version`, `device slot`,
    /// `until` (not behind *from*, too far behind it, or too far behind the epoch), `proof version`,
    /// `effort`.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        check_size(bytes)?;
        let mut reader = Reader::new(bytes);
        let head = Box::new(Head::read(&mut reader)?);
        head.check_times()?;
        let bytes = bytes.into();
        Ok(Self { head, bytes })
    }

    /// The day that it is for.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.head.epoch
    }

    /// Whose device's it is.
    #[must_use]
    pub const fn slot(&self) -> DeviceSlot {
        self.head.slot
    }

    /// Of two records of one place the one with the higher number counts.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.head.sequence
    }

    /// From when on it is valid, in seconds since 1970.
    #[must_use]
    pub const fn from(&self) -> u64 {
        self.head.from as u64 * HOUR
    }

    /// When it is over, in seconds since 1970.
    #[must_use]
    pub const fn until(&self) -> u64 {
        self.head.until as u64 * HOUR
    }

    /// The key that the identity signs this epoch's introsets with, indirectly.
    #[must_use]
    pub const fn blinded(&self) -> &[u8; 32] {
        &self.head.blinded
    }

    /// The work that it claims to have cost.
    #[must_use]
    pub const fn proof(&self) -> &Proof {
        &self.head.proof
    }

    /// Where it lies under `beacon`.
    #[must_use]
    pub fn location(&self, network: &NetworkId, beacon: &[u8; 32]) -> Location {
        Location::of(network, &self.head.blinded, self.head.slot, beacon)
    }

    /// How it stands to `held`, which is of the same place. All storers agree: the higher sequence
    /// counts, of equal ones the larger bytes.
    #[must_use]
    pub fn standing(&self, held: &Self) -> Standing {
        let ours = (self.head.sequence, &self.bytes);
        match ours.cmp(&(held.head.sequence, &held.bytes)) {
            Ordering::Greater => Standing::Newer,
            Ordering::Equal => Standing::Same,
            Ordering::Less => Standing::Stale,
        }
    }

    /// Whether it is to be held instead of `held`.
    #[must_use]
    pub fn supersedes(&self, held: &Self) -> bool {
        self.standing(held) == Standing::Newer
    }

    /// The puzzle that the proof must solve.
    pub(super) fn puzzle(&self, network: &NetworkId) -> Puzzle {
        let head = &self.head;
        puzzle(network, &head.blinded, head.slot, head.epoch, head.sequence)
    }

    /// Verifies that `blinded`, which is its own blinded key, certifies the signing key.
    pub(super) fn verify_certificate(
        &self,
        network: &NetworkId,
        blinded: &PublicKey,
    ) -> Result<(), BadSignature> {
        let head = &self.head;
        let text = certified(head.epoch, head.slot, &head.signing);
        let label = label::INTROSET_CERTIFICATE;
        blinded.verify(label, network, &[&text], &head.certificate)
    }

    /// Verifies that the signing key signed it.
    pub(super) fn verify_signature(&self, network: &NetworkId) -> Result<(), BadSignature> {
        let key = PublicKey::check(&self.head.signing).map_err(|_| BadSignature)?;
        let (signed, signature) = self.bytes.split_last_chunk().ok_or(BadSignature)?;
        key.verify(label::INTROSET_RECORD, network, &[signed], signature)
    }

    /// The head's bytes, and what is sealed.
    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        let whole = self.bytes.split_last_chunk::<SIGNATURE_LEN>();
        let signed = whole.map_or(&[][..], |(signed, _)| signed);
        signed.split_at_checked(HEAD_LEN).unwrap_or_default()
    }

    /// The record of `head`, of what is sealed behind it, and of what `sign` makes of both.
    pub(super) fn assemble(
        head: Head,
        sealed: &[u8],
        sign: impl FnOnce(&[u8]) -> [u8; SIGNATURE_LEN],
    ) -> Self {
        let mut bytes = head.encode().to_vec();
        bytes.extend_from_slice(sealed);
        let signature = sign(&bytes);
        bytes.extend_from_slice(&signature);
        debug_assert_eq!(check_size(&bytes), Ok(()), "sealed to one of the sizes");
        let (head, bytes) = (Box::new(head), bytes.into());
        Self { head, bytes }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (epoch, len) = (self.head.epoch, self.bytes.len());
        write!(f, "Record({epoch}, {len} bytes)")
    }
}

impl Head {
    /// The bytes that [`Head::read`] reads.
    pub(super) fn encode(&self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        let written = self.write(&mut Writer::new(&mut bytes));
        debug_assert_eq!(written, Ok(()), "the fields add up to HEAD_LEN");
        bytes
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u8("version", VERSION)?;
        writer.u32("epoch", self.epoch.0)?;
        writer.u32("from", self.from)?;
        writer.u8("device slot", self.slot.number())?;
        writer.bytes("sequence", &self.sequence.to_be_bytes())?;
        writer.u32("until", self.until)?;
        writer.bytes("blinded key", &self.blinded)?;
        writer.bytes("signing key", &self.signing)?;
        writer.bytes("certificate", &self.certificate)?;
        self.proof.write(writer)?;
        writer.bytes("salt", &self.salt)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        reader.version()?;
        Ok(Self {
            epoch: Epoch(reader.u32("epoch")?),
            from: reader.u32("from")?,
            slot: DeviceSlot::new(reader.u8("device slot")?)?,
            sequence: reader.u64("sequence")?,
            until: reader.u32("until")?,
            blinded: *reader.array("blinded key")?,
            signing: *reader.array("signing key")?,
            certificate: *reader.array("certificate")?,
            proof: Proof::read(reader)?,
            salt: *reader.array("salt")?,
        })
    }

    /// Whether it is valid for a while, not for too long, and not long after its epoch.
    fn check_times(&self) -> Result<(), WireError> {
        let life = self.until.checked_sub(self.from);
        let fits = life.is_some_and(|hours| 0 < hours && hours <= RECORD_LIFE_HOURS);
        if fits && u64::from(self.until) <= last_hour(self.epoch) {
            return Ok(());
        }
        Err(mismatch("until"))
    }
}

/// The last hour in which a record of `epoch` may be over.
pub(super) fn last_hour(epoch: Epoch) -> u64 {
    let end = epoch.start() / HOUR + 24;
    end + u64::from(RECORD_OVERLAP_HOURS)
}

/// What a blinded key signs to certify a signing key: of one device, for one epoch.
pub(super) fn certified(epoch: Epoch, slot: DeviceSlot, signing: &[u8; 32]) -> Vec<u8> {
    [&epoch.0.to_be_bytes(), &[slot.number()][..], signing].concat()
}

/// The puzzle of the record with these.
pub(super) fn puzzle(
    network: &NetworkId,
    blinded: &[u8; 32],
    slot: DeviceSlot,
    epoch: Epoch,
    sequence: u64,
) -> Puzzle {
    let parts: [&[u8]; 4] = [
        blinded,
        &[slot.number()],
        &epoch.0.to_be_bytes(),
        &sequence.to_be_bytes(),
    ];
    Puzzle::new(label::INTROSET_WORK, network, &parts)
}

/// Refuses bytes that are no record's by their number.
fn check_size(bytes: &[u8]) -> Result<(), WireError> {
    if RECORD_SIZES.contains(&bytes.len()) {
        return Ok(());
    }
    let (expected, got) = (nearest_size(bytes.len()), bytes.len());
    Err(WireError::new(
        "record",
        Fault::WrongLength { expected, got },
    ))
}

/// The smallest size of a record that holds `len` bytes, or the largest.
fn nearest_size(len: usize) -> usize {
    let fitting = RECORD_SIZES.into_iter().find(|size| len <= *size);
    fitting.unwrap_or(RECORD_MAX)
}
